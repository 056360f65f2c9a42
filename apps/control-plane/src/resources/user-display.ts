import { z } from 'zod';
import type { CallContext } from '../context.ts';
import { isAdmin } from '../authenticate.ts';
import { midnight } from '../windows.ts';
import { enforcementIfSet, enforcementShown, instantText, resetMode } from '../fields.ts';
import type { Key, User } from '../generated/prisma/client.ts';
import { keyStatistics, type KeyStatistics, unusedKey } from '../key-statistics.ts';
import { maskKey } from '../mask.ts';
import { positiveOrNull, usdNumber, usdText } from '../money.ts';
import { type Language, say } from '../texts.ts';

/** Users and their keys as lists show them. */

const usd = z.number().nullable();
const usdDecimals = z.string().nullable().meta({ description: 'USD, at least two decimals', example: '10.00' });

const keyDisplay = z.object({
  id: z.number(),
  name: z.string(),
  maskedKey: z.string(),
  fullKey: z.string().optional().meta({ description: 'for its owner and for admins' }),
  canCopy: z.boolean(),
  expiresAt: z.string().meta({ description: 'YYYY-MM-DD, or a text that says never' }),
  status: z.enum(['enabled', 'disabled']),
  createdAt: instantText,
  createdAtFormatted: z.string(),
  todayUsage: z.number().meta({ description: 'USD since midnight' }),
  todayCallCount: z.number(),
  lastUsedAt: instantText.nullable(),
  lastProviderName: z.string().nullable(),
  modelStats: z.array(z.object({ model: z.string(), callCount: z.number(), totalCost: z.number() })),
  canLoginWebUi: z.boolean(),
  limit5hUsd: usd,
  limitDailyUsd: usd,
  dailyResetMode: resetMode,
  dailyResetTime: z.string(),
  limitWeeklyUsd: usd,
  limitMonthlyUsd: usd,
  limitTotalUsd: usd,
  limitConcurrentSessions: z.number(),
  providerGroup: z.string().nullable(),
  budgetEnforcement: enforcementIfSet,
});

export const userDisplay = z
  .object({
    id: z.number(),
    name: z.string(),
    note: z.string().optional(),
    role: z.enum(['admin', 'user']),
    rpm: z.number().nullable(),
    dailyQuota: usd,
    providerGroup: z.string().optional(),
    tags: z.array(z.string()),
    limit5hUsd: usdDecimals,
    limitWeeklyUsd: usdDecimals,
    limitMonthlyUsd: usdDecimals,
    limitTotalUsd: usd,
    limitConcurrentSessions: z.number().nullable(),
    dailyResetMode: resetMode,
    dailyResetTime: z.string(),
    isEnabled: z.boolean(),
    expiresAt: instantText.nullable(),
    allowedClients: z.array(z.string()),
    allowedModels: z.array(z.string()),
    budgetEnforcement: enforcementIfSet,
    keys: z.array(keyDisplay),
  })
  .meta({ id: 'User' });

export const createdUser = userDisplay.omit({ dailyResetMode: true, dailyResetTime: true, allowedClients: true, keys: true });

export function showCreatedUser(user: User): z.output<typeof createdUser> {
  return {
    id: user.id,
    name: user.name,
    ...(user.description !== null && user.description !== '' && { note: user.description }),
    role: user.role === 'admin' ? 'admin' : 'user',
    isEnabled: user.isEnabled,
    expiresAt: user.expiresAt?.toISOString() ?? null,
    rpm: positiveOrNull(user.rpmLimit),
    dailyQuota: positiveOrNull(usdNumber(user.dailyLimitUsd)),
    ...(user.providerGroup !== null && { providerGroup: user.providerGroup }),
    tags: strings(user.tags),
    limit5hUsd: usdText(user.limit5hUsd),
    limitWeeklyUsd: usdText(user.limitWeeklyUsd),
    limitMonthlyUsd: usdText(user.limitMonthlyUsd),
    limitTotalUsd: usdNumber(user.limitTotalUsd),
    limitConcurrentSessions: user.limitConcurrentSessions,
    allowedModels: strings(user.allowedModels),
    ...enforcementShown(user.budgetEnforcement),
  };
}

/** Users with their living keys and what those did today. */
export async function showUsers(context: CallContext, users: readonly User[]): Promise<z.output<typeof userDisplay>[]> {
  const { database, vault, clock, timeZone } = context;
  const rows = await database.prisma.key.findMany({
    where: { userId: { in: users.map((user) => user.id) }, deletedAt: null },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
  });
  const keys = rows.map((row) => ({ row, key: vault.reveal(row.key, 'hub-key') }));
  const since = midnight(clock.now(), timeZone);
  const references = keys.map(({ row, key }) => ({ id: row.id, key }));
  const statistics = await keyStatistics(database.pool, references, since);
  return users.map((user) => ({
    ...showCreatedUser(user),
    dailyResetMode: user.dailyResetMode,
    dailyResetTime: user.dailyResetTime,
    allowedClients: strings(user.allowedClients),
    keys: keys
      .filter(({ row }) => row.userId === user.id)
      .map(({ row, key }) => showKey(context, row, key, statistics.get(row.id) ?? unusedKey)),
  }));
}

function showKey(context: CallContext, row: Key, key: string, statistics: KeyStatistics): z.output<typeof keyDisplay> {
  const full = isAdmin(context.caller) || context.caller.user.id === row.userId;
  const createdAt = row.createdAt ?? new Date(0);
  return {
    id: row.id,
    name: row.name,
    maskedKey: maskKey(key),
    ...(full && { fullKey: key }),
    canCopy: full,
    expiresAt: row.expiresAt?.toISOString().slice(0, 10) ?? say(context.language, 'neverExpires'),
    status: row.isEnabled === true ? 'enabled' : 'disabled',
    createdAt: createdAt.toISOString(),
    createdAtFormatted: localDateTime(createdAt, context.language, context.timeZone),
    ...statistics,
    modelStats: [...statistics.modelStats],
    canLoginWebUi: row.canLoginWebUi === true,
    limit5hUsd: usdNumber(row.limit5hUsd),
    limitDailyUsd: usdNumber(row.limitDailyUsd),
    dailyResetMode: row.dailyResetMode,
    dailyResetTime: row.dailyResetTime,
    limitWeeklyUsd: usdNumber(row.limitWeeklyUsd),
    limitMonthlyUsd: usdNumber(row.limitMonthlyUsd),
    limitTotalUsd: usdNumber(row.limitTotalUsd),
    limitConcurrentSessions: row.limitConcurrentSessions ?? 0,
    providerGroup: row.providerGroup,
    ...enforcementShown(row.budgetEnforcement),
  };
}

/** `2026/11/23 14:37:37` in Chinese, `11/23/2026, 14:37:37` in English. */
function localDateTime(at: Date, language: Language, timeZone: string): string {
  return at.toLocaleString(language === 'en' ? 'en-US' : language, {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
