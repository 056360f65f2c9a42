import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import { change, type Transaction } from '../change.ts';
import type { CallContext } from '../context.ts';
import { Failure, parseInput } from '../failure.ts';
import * as fields from '../fields.ts';
import type { Key, Prisma } from '../generated/prisma/client.ts';
import { groupsMaxLength, normaliseGroups } from '../groups.ts';
import { generateKey } from '../hub-key.ts';
import { keySubject } from '../live-state-subjects.ts';
import { usdNumber } from '../money.ts';
import { noData, type Operation, operation } from '../operation.ts';
import { standingOf } from '../standing.ts';
import { checkOwnGroups, checkWithinUser, followKeyGroups } from './key-rules.ts';

/** What a key is made of; an edit applies the defaults again to everything that is not sent (v0.3.42). */
const keyForm = z.object({
  name: fields.filled(64),
  expiresAt: z.string().default(''),
  isEnabled: z.boolean().optional(),
  canLoginWebUi: z.boolean().default(true),
  limit5hUsd: fields.amount(10_000).nullable().optional(),
  limitDailyUsd: fields.amount(10_000).nullable().optional(),
  dailyResetMode: fields.resetMode.default('fixed'),
  dailyResetTime: fields.timeOfDay.default('00:00'),
  limitWeeklyUsd: fields.amount(50_000).nullable().optional(),
  limitMonthlyUsd: fields.amount(200_000).nullable().optional(),
  limitTotalUsd: fields.amount(10_000_000).nullable().optional(),
  limitConcurrentSessions: fields.whole(0, 1000).default(0),
  providerGroup: fields.upTo(groupsMaxLength).nullable().default(''),
  cacheTtlPreference: z.enum(['inherit', '5m', '1h']).default('inherit'),
  budgetEnforcement: fields.budgetEnforcement.optional(),
});

/** The transport looks at these only, and not at their bounds; the other fields of the form are accepted as well. */
const sentForm = z.object({
  name: z.string(),
  expiresAt: z.string().optional(),
  canLoginWebUi: z.boolean().optional(),
  limit5hUsd: z.number().nullable().optional(),
  limitDailyUsd: z.number().nullable().optional(),
  limitWeeklyUsd: z.number().nullable().optional(),
  limitMonthlyUsd: z.number().nullable().optional(),
  limitTotalUsd: z.number().nullable().optional(),
  limitConcurrentSessions: z.number().optional(),
  isEnabled: z.unknown().optional(),
  dailyResetMode: z.unknown().optional(),
  dailyResetTime: z.unknown().optional(),
  providerGroup: z.unknown().optional(),
  cacheTtlPreference: z.unknown().optional(),
  budgetEnforcement: fields.budgetEnforcement.optional(),
});

const usd = z.number().nullable();
const keyShown = z
  .object({
    id: z.number(),
    userId: z.number(),
    key: z.string(),
    name: z.string(),
    isEnabled: z.boolean(),
    expiresAt: fields.instantText.nullable(),
    canLoginWebUi: z.boolean(),
    limit5hUsd: usd,
    limitDailyUsd: usd,
    dailyResetMode: fields.resetMode,
    dailyResetTime: z.string(),
    limitWeeklyUsd: usd,
    limitMonthlyUsd: usd,
    limitTotalUsd: usd,
    limitConcurrentSessions: z.number(),
    providerGroup: z.string().nullable(),
    cacheTtlPreference: z.string().nullable(),
    budgetEnforcement: fields.enforcementIfSet,
    createdAt: fields.instantText,
    updatedAt: fields.instantText,
    deletedAt: fields.instantText.nullable(),
  })
  .meta({ id: 'Key' });

async function getKeys(context: CallContext, { userId }: { userId: number }): Promise<z.output<typeof keyShown>[]> {
  allowAdminOr(context, userId);
  const keys = await context.database.prisma.key.findMany({
    where: { userId, deletedAt: null },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  });
  return keys.map((key) => ({
    id: key.id,
    userId: key.userId,
    key: context.vault.reveal(key.key, 'hub-key'),
    name: key.name,
    isEnabled: key.isEnabled === true,
    expiresAt: key.expiresAt?.toISOString() ?? null,
    canLoginWebUi: key.canLoginWebUi === true,
    limit5hUsd: usdNumber(key.limit5hUsd),
    limitDailyUsd: usdNumber(key.limitDailyUsd),
    dailyResetMode: key.dailyResetMode,
    dailyResetTime: key.dailyResetTime,
    limitWeeklyUsd: usdNumber(key.limitWeeklyUsd),
    limitMonthlyUsd: usdNumber(key.limitMonthlyUsd),
    limitTotalUsd: usdNumber(key.limitTotalUsd),
    limitConcurrentSessions: key.limitConcurrentSessions ?? 0,
    providerGroup: key.providerGroup,
    cacheTtlPreference: key.cacheTtlPreference,
    ...fields.enforcementShown(key.budgetEnforcement),
    createdAt: (key.createdAt ?? new Date(0)).toISOString(),
    updatedAt: (key.updatedAt ?? new Date(0)).toISOString(),
    deletedAt: null,
  }));
}

function allowAdminOr(context: CallContext, userId: number): void {
  if (isAdmin(context.caller) || context.caller.user.id === userId) return;
  throw new Failure('permissionDenied', { code: 'PERMISSION_DENIED' });
}

/** The order of the checks is v0.3.42's, so that the same mistake gets the same answer. */
async function addKey(context: CallContext, body: { userId: number }) {
  const { userId } = body;
  allowAdminOr(context, userId);
  const key = generateKey();
  const name = await change(context, async (tx, record) => {
    const user = await tx.user.findFirst({ where: { id: userId, deletedAt: null } });
    if (user === null) throw new Failure('userNotFound');
    const siblings = await tx.key.findMany({ where: { userId, deletedAt: null } });
    const requested = 'providerGroup' in body && typeof body.providerGroup === 'string' ? body.providerGroup : '';
    if (!isAdmin(context.caller)) checkOwnGroups(requested, user, siblings);
    const form = parseInput(keyForm, body, 'list');
    const now = new Date(context.clock.now());
    if (siblings.some((other) => other.name === form.name && isActive(other, now))) {
      throw new Failure('keyNameTaken', { params: { name: form.name } });
    }
    checkWithinUser(context, form, user);
    const { key: stored, keyHash } = context.vault.storeKey(key);
    const { isEnabled = true, providerGroup, expiresAt, ...same } = form;
    const created = await tx.key.create({
      data: {
        ...same,
        userId,
        key: stored,
        keyHash: Uint8Array.from(keyHash),
        isEnabled,
        expiresAt: readExpiry(expiresAt),
        providerGroup: normaliseGroups(providerGroup),
      },
    });
    record({ entity: 'key', entityId: created.id, before: null, after: created });
    if (isAdmin(context.caller)) await followKeyGroups(tx, userId, now, record);
    return created.name;
  });
  return { generatedKey: key, name };
}

function isActive(key: Key, now: Date): boolean {
  return key.isEnabled === true && (key.expiresAt === null || key.expiresAt > now);
}

/** @returns null for "" */
function readExpiry(text: string): Date | null {
  if (text === '') return null;
  const date = fields.parseDate(text);
  if (date !== undefined) return date;
  throw new Failure('notDate', { params: { field: 'expiresAt' }, code: 'INVALID_FORMAT', errorParams: { field: 'expiresAt' } });
}

async function editKey(context: CallContext, body: { keyId: number }): Promise<void> {
  const { keyId } = body;
  const admin = isAdmin(context.caller);
  await change(context, async (tx, record) => {
    const before = await findKey(tx, keyId);
    allowAdminOr(context, before.userId);
    if (!admin) refuseGroupChange(body, before);
    const form = parseInput(keyForm, body, 'list');
    const user = await tx.user.findFirst({ where: { id: before.userId, deletedAt: null } });
    if (user === null) throw new Failure('userNotFound');
    checkWithinUser(context, form, user);
    const now = new Date(context.clock.now());
    const { providerGroup, expiresAt, ...same } = form;
    const data: Prisma.KeyUpdateInput = {
      ...same,
      ...('expiresAt' in body && body.expiresAt !== undefined && { expiresAt: readExpiry(expiresAt) }),
      ...(admin && { providerGroup: normaliseGroups(providerGroup) }),
      updatedAt: now,
    };
    const after = await tx.key.update({ where: { id: keyId }, data });
    record({ entity: 'key', entityId: keyId, before, after });
    if (admin && after.providerGroup !== before.providerGroup) await followKeyGroups(tx, before.userId, now, record);
  });
}

/** Who is no admin may send the group only as it is. */
function refuseGroupChange(body: object, key: Key): void {
  if (!('providerGroup' in body) || body.providerGroup === undefined) return;
  const sent = typeof body.providerGroup === 'string' ? body.providerGroup : '';
  if (normaliseGroups(sent) !== normaliseGroups(key.providerGroup)) {
    throw new Failure('permissionDenied', { code: 'PERMISSION_DENIED' });
  }
}

async function findKey(tx: Pick<Transaction, 'key'>, id: number): Promise<Key> {
  const key = await tx.key.findFirst({ where: { id, deletedAt: null } });
  if (key === null) throw new Failure('keyNotFound');
  return key;
}

function allowAdminOrOwner(context: CallContext, key: Key): void {
  if (!isAdmin(context.caller) && context.caller.user.id !== key.userId) throw new Failure('notYourKey');
}

async function removeKey(context: CallContext, { keyId }: { keyId: number }): Promise<void> {
  const admin = isAdmin(context.caller);
  await change(context, async (tx, record) => {
    const before = await findKey(tx, keyId);
    allowAdminOrOwner(context, before);
    const others = await tx.key.findMany({ where: { userId: before.userId, deletedAt: null, id: { not: keyId } } });
    if (before.isEnabled === true && !others.some((other) => other.isEnabled === true)) throw new Failure('lastEnabledKey');
    if (!admin && others.length === 0) throw new Failure('lastKeyOfGroups');
    const now = new Date(context.clock.now());
    const after = await tx.key.update({ where: { id: keyId }, data: { deletedAt: now, updatedAt: now } });
    record({ entity: 'key', entityId: keyId, before, after });
    if (admin) await followKeyGroups(tx, before.userId, now, record);
  });
}

const window = z.object({ current: z.number(), limit: z.number().nullable(), resetAt: fields.instantText.optional() });
const keyLimitUsage = z.object({
  cost5h: window,
  costDaily: window,
  costWeekly: window,
  costMonthly: window,
  costTotal: window,
  concurrentSessions: z.object({ current: z.number(), limit: z.number() }),
});

async function getKeyLimitUsage(context: CallContext, { keyId }: { keyId: number }): Promise<z.output<typeof keyLimitUsage>> {
  const { database, vault } = context;
  const row = await findKey(database.prisma, keyId);
  allowAdminOrOwner(context, row);
  const { spent, resetAt, sessions } = await standingOf(context, {
    live: keySubject(row),
    rows: { kind: 'key', id: keyId, key: vault.reveal(row.key, 'hub-key') },
    windows: ['fiveHour', 'daily', 'weekly', 'monthly', 'total'],
  });
  return {
    cost5h: { current: spent.fiveHour, limit: usdNumber(row.limit5hUsd) },
    costDaily: { current: spent.daily, limit: usdNumber(row.limitDailyUsd), ...(resetAt.daily !== undefined && { resetAt: resetAt.daily }) },
    costWeekly: { current: spent.weekly, limit: usdNumber(row.limitWeeklyUsd), resetAt: resetAt.weekly },
    costMonthly: { current: spent.monthly, limit: usdNumber(row.limitMonthlyUsd), resetAt: resetAt.monthly },
    costTotal: { current: spent.total, limit: usdNumber(row.limitTotalUsd) },
    concurrentSessions: { current: sessions, limit: row.limitConcurrentSessions ?? 0 },
  };
}

export function keyOperations(): Operation[] {
  const shared = { module: 'keys', tag: 'Keys', role: 'user' } as const;
  const byId = { body: z.object({ keyId: fields.idShape }), input: z.object({ keyId: fields.id }) };
  return [
    operation({
      ...shared,
      action: 'getKeys',
      summary: "A user's keys in full",
      body: z.object({ userId: fields.idShape }),
      input: z.object({ userId: fields.id }),
      output: z.array(keyShown),
      run: getKeys,
    }),
    operation({
      ...shared,
      action: 'addKey',
      summary: 'Creates a key for oneself or, as an admin, for anybody',
      body: sentForm.extend({ userId: fields.idShape }),
      input: z.looseObject({ userId: fields.id }),
      invalid: 'list',
      output: z.object({ generatedKey: z.string(), name: z.string() }),
      run: addKey,
    }),
    operation({
      ...shared,
      action: 'editKey',
      summary: 'Changes a key. Fields that are not sent go back to their defaults, except expiry, limits, isEnabled and budgetEnforcement',
      body: sentForm.extend({ keyId: fields.idShape }),
      input: z.looseObject({ keyId: fields.id }),
      invalid: 'list',
      output: noData,
      run: editKey,
    }),
    operation({ ...shared, ...byId, action: 'removeKey', summary: "Deletes a key that is not its user's last enabled one", output: noData, run: removeKey }),
    operation({
      ...shared,
      ...byId,
      action: 'getKeyLimitUsage',
      summary: 'What a key has spent within each of its limits',
      output: keyLimitUsage,
      run: getKeyLimitUsage,
    }),
  ];
}
