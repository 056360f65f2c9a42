import { z } from 'zod';
import { change } from '../change.ts';
import type { CallContext } from '../context.ts';
import { Failure } from '../failure.ts';
import * as fields from '../fields.ts';
import type { Provider } from '../generated/prisma/client.ts';
import { closedBreaker } from '../live-state.ts';
import { breakerRules, providerSubject } from '../live-state-subjects.ts';
import { looksMasked, maskKey } from '../mask.ts';
import { usdNumber } from '../money.ts';
import { ignored, noBody, noData, type Operation, operation } from '../operation.ts';
import { standingOf } from '../standing.ts';
import { say, type TextKey } from '../texts.ts';
import { checkProxyUrl, checkUpstreamUrl } from '../upstream-url.ts';
import { providerDisplay, showProvider } from './provider-display.ts';
import { type ProviderChange, providerChange, providerColumns, providerOfRequest } from './provider-fields.ts';

async function getProviders(context: CallContext) {
  const rows = await context.database.prisma.provider.findMany({
    where: { deletedAt: null },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
  });
  return rows.map((row) => showProvider(row, context.vault.reveal(row.key, 'provider-key')));
}

async function addProvider(context: CallContext, input: z.output<typeof providerOfRequest>): Promise<void> {
  const { name, url, key, ...rest } = input;
  checkAddresses(context, input);
  if (looksMasked(key)) throw new Failure('upstreamKeyMasked', { code: 'INVALID_FORMAT' });
  await change(context, async (tx, record) => {
    const data = { name, url, key: context.vault.store(key, 'provider-key'), ...providerColumns(rest) };
    const created = await tx.provider.create({ data });
    record({ entity: 'provider', entityId: created.id, before: null, after: created });
  });
}

/** @throws Failure */
function checkAddresses({ allowPrivateUpstreams }: CallContext, { proxy_url, url, mcp_passthrough_url }: ProviderChange): void {
  if (proxy_url != null && proxy_url !== '') checkProxyUrl(proxy_url);
  if (url !== undefined) checkUpstreamUrl(url, 'url', allowPrivateUpstreams);
  if (mcp_passthrough_url != null) checkUpstreamUrl(mcp_passthrough_url, 'mcp_passthrough_url', allowPrivateUpstreams);
}

const emptyUpdate: TextKey = 'emptyUpdate';
const edit = providerChange
  .extend({ providerId: fields.id })
  .refine((input) => Object.keys(input).some((field) => field !== 'providerId'), emptyUpdate);

async function editProvider(context: CallContext, input: z.output<typeof edit>): Promise<void> {
  const { providerId, name, url, key, ...rest } = input;
  checkAddresses(context, input);
  await change(context, async (tx, record) => {
    const before = await tx.provider.findFirst({ where: { id: providerId, deletedAt: null } });
    if (before === null) throw new Failure('providerNotFound');
    const newKey = keyToStore(context, before, key);
    const after = await tx.provider.update({
      where: { id: providerId },
      data: { name, url, ...(newKey !== undefined && { key: newKey }), ...providerColumns(rest), updatedAt: new Date(context.clock.now()) },
    });
    record({ entity: 'provider', entityId: providerId, before, after });
  });
}

/** Clients that edit what a list gave them send the masked key back: that means the key that is stored. */
function keyToStore({ vault }: CallContext, row: Provider, sent: string | undefined): string | undefined {
  if (sent === undefined) return undefined;
  const stored = vault.reveal(row.key, 'provider-key');
  if (sent === stored || sent === maskKey(stored)) return undefined;
  if (looksMasked(sent)) throw new Failure('upstreamKeyMasked', { code: 'INVALID_FORMAT' });
  return vault.store(sent, 'provider-key');
}

async function removeProvider(context: CallContext, { providerId }: { providerId: number }): Promise<void> {
  await change(context, async (tx, record) => {
    const before = await tx.provider.findFirst({ where: { id: providerId, deletedAt: null } });
    if (before === null) return;
    const now = new Date(context.clock.now());
    const after = await tx.provider.update({ where: { id: providerId }, data: { deletedAt: now, updatedAt: now } });
    record({ entity: 'provider', entityId: providerId, before, after });
  });
  await context.live.resetBreaker(providerId);
}

const health = z.record(
  z.string().meta({ description: 'provider id' }),
  z.object({
    circuitState: z.enum(['closed', 'open', 'half-open']),
    failureCount: z.number(),
    lastFailureTime: z.number().nullable().meta({ description: 'epoch ms' }),
    circuitOpenUntil: z.number().nullable().meta({ description: 'epoch ms' }),
    recoveryMinutes: z.number().nullable(),
  }),
);

async function getProvidersHealthStatus(context: CallContext): Promise<z.output<typeof health>> {
  const rows = await context.database.prisma.provider.findMany({ where: { deletedAt: null }, orderBy: { id: 'asc' } });
  const breakers = await context.live.breakers(new Map(rows.map((row) => [row.id, breakerRules(row)])));
  const now = context.clock.now();
  return Object.fromEntries(
    rows.map(({ id }) => {
      const breaker = breakers.get(id) ?? closedBreaker;
      const until = breaker.circuitOpenUntil;
      const recoveryMinutes = breaker.circuitState === 'open' && until !== null ? Math.max(0, Math.ceil((until - now) / 60_000)) : null;
      return [String(id), { ...breaker, recoveryMinutes }];
    }),
  );
}

async function resetProviderCircuit(context: CallContext, { providerId }: { providerId: number }): Promise<void> {
  if (await context.live.unreachable()) throw new Failure('liveStateUnreachable');
  const row = await context.database.prisma.provider.findUnique({ where: { id: providerId } });
  // Unknown ids are no error (v0.3.42).
  if (row === null) return;
  const before = (await context.live.breakers(new Map([[providerId, breakerRules(row)]]))).get(providerId) ?? closedBreaker;
  await context.live.resetBreaker(providerId);
  await change(context, async (_, record) => record({ entity: 'provider', entityId: providerId, before, after: closedBreaker }));
}

const usage = z.object({ current: z.number(), limit: z.number().nullable() });
const providerLimitUsage = z.object({
  cost5h: usage.extend({ resetInfo: z.string() }),
  costDaily: usage.extend({ resetAt: fields.instantText.optional() }),
  costWeekly: usage.extend({ resetAt: fields.instantText }),
  costMonthly: usage.extend({ resetAt: fields.instantText }),
  concurrentSessions: z.object({ current: z.number(), limit: z.number() }),
});

async function getProviderLimitUsage(context: CallContext, { providerId }: { providerId: number }): Promise<z.output<typeof providerLimitUsage>> {
  const row = await context.database.prisma.provider.findFirst({ where: { id: providerId, deletedAt: null } });
  if (row === null) throw new Failure('providerNotFound');
  const { spent, resetAt, sessions } = await standingOf(context, {
    live: providerSubject(row),
    rows: { kind: 'provider', id: providerId },
    windows: ['fiveHour', 'daily', 'weekly', 'monthly'],
  });
  return {
    cost5h: { current: spent.fiveHour, limit: usdNumber(row.limit5hUsd), resetInfo: say(context.language, 'rollingFiveHours') },
    costDaily: { current: spent.daily, limit: usdNumber(row.limitDailyUsd), ...(resetAt.daily !== undefined && { resetAt: resetAt.daily }) },
    costWeekly: { current: spent.weekly, limit: usdNumber(row.limitWeeklyUsd), resetAt: resetAt.weekly },
    costMonthly: { current: spent.monthly, limit: usdNumber(row.limitMonthlyUsd), resetAt: resetAt.monthly },
    concurrentSessions: { current: sessions, limit: row.limitConcurrentSessions ?? 0 },
  };
}

export function providerOperations(): Operation[] {
  const shared = { module: 'providers', tag: 'Providers', role: 'admin' } as const;
  const byId = { body: z.object({ providerId: fields.idShape }), input: z.object({ providerId: fields.id }) };
  const none = { body: noBody, input: ignored };
  return [
    operation({ ...shared, ...none, action: 'getProviders', summary: 'All providers, newest first', output: z.array(providerDisplay), run: getProviders }),
    operation({
      ...shared,
      action: 'addProvider',
      summary: 'Adds a provider',
      body: providerOfRequest,
      input: providerOfRequest,
      invalid: 'list',
      output: noData,
      run: addProvider,
    }),
    operation({
      ...shared,
      action: 'editProvider',
      summary: 'Changes the fields that are sent',
      body: providerChange.extend({ providerId: fields.idShape }),
      input: edit,
      invalid: 'list',
      output: noData,
      run: editProvider,
    }),
    operation({ ...shared, ...byId, action: 'removeProvider', summary: 'Deletes a provider; unknown ones are no error', output: noData, run: removeProvider }),
    operation({
      ...shared,
      ...none,
      action: 'getProvidersHealthStatus',
      summary: 'The breaker of every provider',
      output: health,
      run: getProvidersHealthStatus,
    }),
    operation({ ...shared, ...byId, action: 'resetProviderCircuit', summary: 'Closes the breaker of a provider', output: noData, run: resetProviderCircuit }),
    operation({
      ...shared,
      ...byId,
      action: 'getProviderLimitUsage',
      summary: 'What a provider has cost within each of its limits',
      output: providerLimitUsage,
      run: getProviderLimitUsage,
    }),
  ];
}
