import { z } from 'zod';
import { change, type Transaction } from '../change.ts';
import type { CallContext } from '../context.ts';
import * as fields from '../fields.ts';
import type { Prisma, SystemSettings } from '../generated/prisma/client.ts';
import type { TextKey } from '../texts.ts';

/** The one row of settings of the whole hub, and what may be changed in it. */

const currencies = ['USD', 'CNY', 'EUR', 'JPY', 'GBP', 'HKD', 'TWD', 'KRW', 'SGD'] as const;
const required: TextKey = 'required';

/** Absent = unchanged. v0.3.42 knew them all and stored the first seven (defect I-11). */
export const settingsChange = z
  .object({
    siteTitle: z.string().trim().pipe(fields.filled(128)),
    allowGlobalUsageView: z.boolean(),
    currencyDisplay: z.enum(currencies),
    enableAutoCleanup: z.boolean(),
    cleanupRetentionDays: fields.whole(1, 365),
    cleanupSchedule: z.string().trim().min(1, required).pipe(fields.upTo(50)),
    cleanupBatchSize: fields.whole(1000, 100_000),
    billingModelSource: z.enum(['original', 'redirected']),
    enableClientVersionCheck: z.boolean(),
    verboseProviderError: z.boolean(),
    enableHttp2: z.boolean(),
    interceptAnthropicWarmupRequests: z.boolean(),
    /** What users without an enforcement of their own have. */
    budgetEnforcement: z.enum(['soft', 'hard']),
    enableFormatConversion: z.boolean(),
    /** Of requests to the proxy: enough for a short prompt, and no more than a data plane can hold many of. */
    maxRequestBodyBytes: fields.whole(1024, 256 * 1024 * 1024),
  })
  .partial();
export type SettingsChange = z.output<typeof settingsChange>;

/** The oldest row is the one that counts, should there be several. */
function findRow({ systemSettings }: Pick<Transaction, 'systemSettings'>): Promise<SystemSettings | null> {
  return systemSettings.findFirst({ orderBy: { id: 'asc' } });
}

/** The settings; a hub that has none yet gets a row of defaults. */
export async function settingsOf(context: CallContext): Promise<SystemSettings> {
  const { prisma } = context.database;
  return (await findRow(prisma)) ?? change(context, async (tx) => (await findRow(tx)) ?? tx.systemSettings.create({ data: {} }));
}

export async function changeSettings(context: CallContext, input: SettingsChange): Promise<SystemSettings> {
  if (Object.keys(input).length === 0) return settingsOf(context);
  const { maxRequestBodyBytes, ...same } = input;
  const data: Prisma.SystemSettingsUpdateInput = { ...same, ...(maxRequestBodyBytes !== undefined && { maxRequestBodyBytes: BigInt(maxRequestBodyBytes) }) };
  return change(context, async (tx, record) => {
    const before = (await findRow(tx)) ?? (await tx.systemSettings.create({ data: {} }));
    const after = await tx.systemSettings.update({ where: { id: before.id }, data: { ...data, updatedAt: new Date(context.clock.now()) } });
    record({ entity: 'settings', entityId: after.id, before, after });
    return after;
  });
}

/** As the API shows them: v0.3.42's fields in their order, then ours. */
export function showSettings(row: SystemSettings): object {
  return {
    id: row.id,
    siteTitle: row.siteTitle,
    allowGlobalUsageView: row.allowGlobalUsageView,
    currencyDisplay: row.currencyDisplay,
    billingModelSource: row.billingModelSource,
    enableAutoCleanup: row.enableAutoCleanup ?? false,
    cleanupRetentionDays: row.cleanupRetentionDays ?? 30,
    cleanupSchedule: row.cleanupSchedule ?? '0 2 * * *',
    cleanupBatchSize: row.cleanupBatchSize ?? 10_000,
    enableClientVersionCheck: row.enableClientVersionCheck,
    verboseProviderError: row.verboseProviderError,
    enableHttp2: row.enableHttp2,
    interceptAnthropicWarmupRequests: row.interceptAnthropicWarmupRequests,
    createdAt: (row.createdAt ?? new Date(0)).toISOString(),
    updatedAt: (row.updatedAt ?? new Date(0)).toISOString(),
    budgetEnforcement: row.budgetEnforcement,
    enableFormatConversion: row.enableFormatConversion,
    maxRequestBodyBytes: Number(row.maxRequestBodyBytes),
  };
}
