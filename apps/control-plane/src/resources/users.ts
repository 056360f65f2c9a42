import type { Clock } from '@hub/service';
import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import { change } from '../change.ts';
import type { CallContext } from '../context.ts';
import { Failure } from '../failure.ts';
import * as fields from '../fields.ts';
import type { Prisma } from '../generated/prisma/client.ts';
import { groupsMaxLength, normaliseGroups } from '../groups.ts';
import { generateKey } from '../hub-key.ts';
import { userSubject } from '../live-state-subjects.ts';
import { positiveOrNull, usdNumber } from '../money.ts';
import { noData, type Operation, operation } from '../operation.ts';
import { standingOf } from '../standing.ts';
import type { TextKey } from '../texts.ts';
import { createdUser, showCreatedUser, showUsers, userDisplay } from './user-display.ts';

const limits = {
  dailyQuota: fields.amount(100_000).nullable(),
  limit5hUsd: fields.amount(10_000).nullable(),
  limitWeeklyUsd: fields.amount(50_000).nullable(),
  limitMonthlyUsd: fields.amount(200_000).nullable(),
  limitTotalUsd: fields.amount(10_000_000).nullable(),
  limitConcurrentSessions: fields.whole(0, 1000).nullable(),
};

const settable = {
  name: fields.filled(64),
  note: fields.upTo(200),
  providerGroup: fields.upTo(groupsMaxLength).nullable(),
  tags: fields.list(32, 20),
  ...limits,
  isEnabled: z.boolean(),
  dailyResetMode: fields.resetMode,
  dailyResetTime: fields.twoDigitTime,
  allowedClients: fields.list(64, 50),
  allowedModels: fields.list(64, 50),
  budgetEnforcement: fields.budgetEnforcement,
};

/** Requests per minute; 0 and null are unlimited. */
const rpm = fields.whole(0, 1_000_000);

/**
 * @param past whether the moment may already be over
 */
function expiry(clock: Clock, past: boolean) {
  const check = (at: Date | null | undefined, { addIssue }: z.core.$RefinementCtx<Date | null | undefined>): void => {
    if (!(at instanceof Date)) return;
    const now = clock.now();
    const latest = new Date(now);
    latest.setFullYear(latest.getFullYear() + 10);
    let problem: TextKey | undefined;
    if (!past && at.getTime() <= now) problem = 'expiresInPast';
    else if (at > latest) problem = 'expiresTooFar';
    if (problem !== undefined) addIssue({ code: 'custom', message: problem });
  };
  return z
    .preprocess(fields.toDate, z.date().nullable().optional().superRefine(check))
    .meta({ description: 'null or "" for never', override: { anyOf: undefined, type: ['string', 'null'], format: 'date-time' } });
}

function userOfRequest(clock: Clock) {
  return z.object({
    name: settable.name,
    note: settable.note.default(''),
    providerGroup: settable.providerGroup.default(''),
    tags: settable.tags.default([]),
    rpm: rpm.nullable().optional(),
    dailyQuota: limits.dailyQuota.optional(),
    limit5hUsd: limits.limit5hUsd.optional(),
    limitWeeklyUsd: limits.limitWeeklyUsd.optional(),
    limitMonthlyUsd: limits.limitMonthlyUsd.optional(),
    limitTotalUsd: limits.limitTotalUsd.optional(),
    limitConcurrentSessions: limits.limitConcurrentSessions.optional(),
    isEnabled: settable.isEnabled.default(true),
    expiresAt: expiry(clock, false),
    dailyResetMode: settable.dailyResetMode.default('fixed'),
    dailyResetTime: settable.dailyResetTime.default('00:00'),
    allowedClients: settable.allowedClients.default([]),
    allowedModels: settable.allowedModels.default([]),
    budgetEnforcement: settable.budgetEnforcement.optional(),
  });
}

function userChange(clock: Clock) {
  return z.object({ ...settable, rpm }).partial().extend({ expiresAt: expiry(clock, true) });
}

/** v0.3.42 showed the first 50 and had no way to see the others. */
const paging = z.object({
  page: fields.whole(1, 1_000_000).default(1),
  pageSize: fields.whole(1, 200).default(50),
});

async function getUsers(context: CallContext, { page, pageSize }: z.output<typeof paging>) {
  const { prisma } = context.database;
  const own = isAdmin(context.caller) ? {} : { id: context.caller.user.id };
  const users = await prisma.user.findMany({
    where: { ...own, deletedAt: null },
    // Roles sort as wanted: "admin" before "user".
    orderBy: [{ role: 'asc' }, { id: 'asc' }],
    skip: (page - 1) * pageSize,
    take: pageSize,
  });
  return showUsers(context, users);
}

async function addUser(context: CallContext, input: z.output<ReturnType<typeof userOfRequest>>) {
  const { note, rpm: rpmLimit, dailyQuota, ...same } = input;
  const key = generateKey();
  const providerGroup = checkedGroups(input.providerGroup);
  const { user, keyId } = await change(context, async (tx, record) => {
    const created = await tx.user.create({
      data: { ...same, expiresAt: input.expiresAt ?? null, providerGroup, description: note, rpmLimit: rpmLimit ?? null, dailyLimitUsd: dailyQuota ?? null },
    });
    const { key: stored, keyHash } = context.vault.storeKey(key);
    const defaultKey = await tx.key.create({
      data: { userId: created.id, name: 'default', key: stored, keyHash: Uint8Array.from(keyHash), canLoginWebUi: true, providerGroup },
    });
    record({ entity: 'user', entityId: created.id, before: null, after: created });
    record({ entity: 'key', entityId: defaultKey.id, before: null, after: defaultKey });
    return { user: created, keyId: defaultKey.id };
  });
  return { user: showCreatedUser(user), defaultKey: { id: keyId, name: 'default', key } };
}

/** Trimming may add nothing but a longer text than the column cannot hold either. */
function checkedGroups(groups: string | null): string {
  const normal = normaliseGroups(groups);
  if (normal.length > groupsMaxLength) {
    throw new Failure('groupsTooLong', { params: { max: groupsMaxLength, groups: normal }, code: 'MAX_VALUE' });
  }
  return normal;
}

async function editUser(context: CallContext, input: { userId: number } & z.output<ReturnType<typeof userChange>>): Promise<void> {
  const { userId, note, rpm: rpmLimit, dailyQuota, providerGroup, ...same } = input;
  const data: Prisma.UserUpdateInput = {
    ...same,
    ...(note !== undefined && { description: note }),
    ...(rpmLimit !== undefined && { rpmLimit }),
    ...(dailyQuota !== undefined && { dailyLimitUsd: dailyQuota }),
    ...(providerGroup !== undefined && { providerGroup: checkedGroups(providerGroup) }),
  };
  if (Object.values(data).every((value) => value === undefined)) return;
  await change(context, async (tx, record) => {
    const before = await tx.user.findFirst({ where: { id: userId, deletedAt: null } });
    // Unknown users are no error (v0.3.42).
    if (before === null) return;
    const after = await tx.user.update({ where: { id: userId }, data: { ...data, updatedAt: new Date(context.clock.now()) } });
    record({ entity: 'user', entityId: userId, before, after });
  });
}

/** The keys stay; without their user they are of no use. */
async function removeUser(context: CallContext, { userId }: { userId: number }): Promise<void> {
  await change(context, async (tx, record) => {
    const before = await tx.user.findFirst({ where: { id: userId, deletedAt: null } });
    if (before === null) return;
    const now = new Date(context.clock.now());
    const after = await tx.user.update({ where: { id: userId }, data: { deletedAt: now, updatedAt: now } });
    record({ entity: 'user', entityId: userId, before, after });
  });
}

const limitUsage = z.object({
  rpm: z.object({ current: z.number().meta({ description: 'always 0 (v0.3.42)' }), limit: z.number().nullable(), window: z.literal('per_minute') }),
  dailyCost: z.object({ current: z.number(), limit: z.number().nullable(), resetAt: fields.instantText.optional() }),
});

async function getUserLimitUsage(context: CallContext, { userId }: { userId: number }): Promise<z.output<typeof limitUsage>> {
  const { database, caller } = context;
  const user = await database.prisma.user.findFirst({ where: { id: userId, deletedAt: null } });
  if (user === null) throw new Failure('userNotFound', { code: 'NOT_FOUND' });
  if (!isAdmin(caller) && caller.user.id !== userId) throw new Failure('permissionDenied', { code: 'PERMISSION_DENIED' });
  const { spent, resetAt } = await standingOf(context, { live: userSubject(user), rows: { kind: 'user', id: userId }, windows: ['daily'] });
  return {
    rpm: { current: 0, limit: positiveOrNull(user.rpmLimit), window: 'per_minute' },
    dailyCost: {
      current: spent.daily,
      limit: positiveOrNull(usdNumber(user.dailyLimitUsd)),
      ...(resetAt.daily !== undefined && { resetAt: resetAt.daily }),
    },
  };
}

export function userOperations(clock: Clock): Operation[] {
  const shared = { module: 'users', tag: 'Users' } as const;
  const byId = { body: z.object({ userId: fields.idShape }), input: z.object({ userId: fields.id }) };
  const create = userOfRequest(clock);
  const edit = userChange(clock);
  return [
    operation({
      ...shared,
      action: 'getUsers',
      role: 'user',
      summary: 'Users with their keys: all of them for an admin, otherwise oneself',
      body: paging,
      input: z.preprocess((body) => (typeof body === 'object' && body !== null ? body : {}), paging),
      output: z.array(userDisplay),
      run: getUsers,
    }),
    operation({
      ...shared,
      action: 'addUser',
      role: 'admin',
      summary: 'Creates a user and a first key, which is shown in full only here and in lists',
      body: create,
      input: create,
      output: z.object({ user: createdUser, defaultKey: z.object({ id: z.number(), name: z.string(), key: z.string() }) }),
      run: addUser,
    }),
    operation({
      ...shared,
      action: 'editUser',
      role: 'admin',
      summary: 'Changes the fields that are sent; unknown users are no error',
      body: edit.extend({ userId: fields.idShape }),
      input: edit.extend({ userId: fields.id }),
      output: noData,
      run: editUser,
    }),
    operation({ ...shared, ...byId, action: 'removeUser', role: 'admin', summary: 'Deletes a user, whose keys stop working', output: noData, run: removeUser }),
    operation({
      ...shared,
      ...byId,
      action: 'getUserLimitUsage',
      role: 'user',
      summary: 'What a user has spent of the daily budget',
      output: limitUsage,
      run: getUserLimitUsage,
    }),
  ];
}
