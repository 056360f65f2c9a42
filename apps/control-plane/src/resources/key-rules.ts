import type { CallContext } from '../context.ts';
import type { AuditEntry, Transaction } from '../change.ts';
import { Failure } from '../failure.ts';
import type { Key, User } from '../generated/prisma/client.ts';
import { anyGroup, defaultGroup, groupsMaxLength, splitGroups, unionOfGroups } from '../groups.ts';
import { usdNumber, usdText } from '../money.ts';
import { say, type TextKey } from '../texts.ts';

/** What keys may be, given their user and the user's other keys. */

export interface KeyLimits {
  readonly limit5hUsd?: number | null | undefined;
  readonly limitDailyUsd?: number | null | undefined;
  readonly limitWeeklyUsd?: number | null | undefined;
  readonly limitMonthlyUsd?: number | null | undefined;
  readonly limitTotalUsd?: number | null | undefined;
  readonly limitConcurrentSessions: number;
}

/**
 * No limit of a key may be above the same limit of its user, where both have one.
 * @throws Failure
 */
export function checkWithinUser(context: CallContext, key: KeyLimits, user: User): void {
  const pairs: readonly [TextKey, number | null | undefined, number | null, string | number | null][] = [
    ['limit5h', key.limit5hUsd, usdNumber(user.limit5hUsd), usdText(user.limit5hUsd)],
    ['limitDaily', key.limitDailyUsd, usdNumber(user.dailyLimitUsd), usdNumber(user.dailyLimitUsd)],
    ['limitWeekly', key.limitWeeklyUsd, usdNumber(user.limitWeeklyUsd), usdText(user.limitWeeklyUsd)],
    ['limitMonthly', key.limitMonthlyUsd, usdNumber(user.limitMonthlyUsd), usdText(user.limitMonthlyUsd)],
    ['limitTotal', key.limitTotalUsd, usdNumber(user.limitTotalUsd), usdNumber(user.limitTotalUsd)],
    ['limitConcurrent', key.limitConcurrentSessions, user.limitConcurrentSessions, user.limitConcurrentSessions],
  ];
  for (const [limit, value, userLimit, shown] of pairs) {
    if (value != null && value > 0 && userLimit !== null && userLimit > 0 && value > userLimit) {
      throw new Failure('keyLimitAboveUser', { params: { limit: say(context.language, limit), value, userValue: shown ?? userLimit } });
    }
  }
}

/**
 * Which groups a user who is no admin may give to a key of his own: those he is in; `default` only if a key of his already
 * has it, because everybody begins there.
 * @throws Failure
 */
export function checkOwnGroups(requested: string, user: User, keys: readonly Key[]): void {
  const own = splitGroups(user.providerGroup);
  if (own.includes(anyGroup)) return;
  const wanted = splitGroups(requested);
  if (wanted.includes(defaultGroup) && !keys.some((key) => splitGroups(key.providerGroup).includes(defaultGroup))) {
    throw new Failure('noDefaultGroupKey');
  }
  const foreign = wanted.filter((group) => group !== defaultGroup && !own.includes(group));
  if (foreign.length > 0) throw new Failure('groupsNotAllowed', { params: { groups: foreign.join(', ') } });
}

/**
 * A user is in the groups that his keys have.
 * @throws Failure if these no longer fit into the column; nothing is changed then
 */
export async function followKeyGroups(tx: Transaction, userId: number, now: Date, record: (entry: AuditEntry) => void): Promise<void> {
  const keys = await tx.key.findMany({ where: { userId, deletedAt: null }, select: { providerGroup: true } });
  const providerGroup = unionOfGroups(keys.map((key) => key.providerGroup));
  if (providerGroup.length > groupsMaxLength) {
    throw new Failure('groupsTooLong', { params: { max: groupsMaxLength, groups: providerGroup }, code: 'MAX_VALUE' });
  }
  const before = await tx.user.findFirst({ where: { id: userId, deletedAt: null } });
  if (before === null || before.providerGroup === providerGroup) return;
  const after = await tx.user.update({ where: { id: userId }, data: { providerGroup, updatedAt: now } });
  record({ entity: 'user', entityId: userId, before, after });
}
