import { parsePrice, type ModelPrice } from '@hub/pricing';
import type * as wire from './gen/hub/v1/config_pb.ts';
import {
  type BudgetEnforcement,
  type CacheTtl,
  type ErrorRule,
  type Key,
  type MatchType,
  type Provider,
  providerTypes,
  type RequestFilter,
  type SensitiveWord,
  type Settings,
  type SpendLimits,
  type User,
} from './snapshot.ts';

/** One row of the wire → the value that the data plane uses. A row that cannot be used throws RowProblem. */
export class RowProblem extends Error {
  override readonly name = 'RowProblem';
}

/** v0.3.42: no group means the group "default". */
const defaultGroup = 'default';

export const defaultSettings: Settings = {
  billingModelSource: 'original',
  clientVersionCheck: false,
  verboseProviderError: false,
  http2: false,
  interceptWarmup: false,
  budgetEnforcement: 'soft',
  formatConversion: true,
  maxRequestBodyBytes: 32 * 1024 * 1024,
  timeZone: 'UTC',
  minimumClientVersions: new Map(),
};

export function fingerprintOf(sha256: Uint8Array): string {
  return Buffer.from(sha256.buffer, sha256.byteOffset, sha256.byteLength).toString('base64');
}

export function compileUser(row: wire.User): User {
  return {
    id: row.id,
    name: row.name,
    enabled: row.enabled,
    expiresAt: optionalTime(row.expiresAtMs),
    groups: groupSet(row.providerGroup),
    rpm: positive(row.rpm),
    limits: compileLimits(row.limits),
    allowedClients: row.allowedClients,
    allowedModels: new Set(row.allowedModels.map((model) => model.toLowerCase())),
    budgetEnforcement: budget(row.budgetEnforcement),
  };
}

export function compileKey(row: wire.Key): Key {
  if (row.sha256.length !== 32) throw new RowProblem(`the fingerprint has ${row.sha256.length} bytes instead of 32`);
  return {
    id: row.id,
    userId: row.userId,
    fingerprint: fingerprintOf(row.sha256),
    name: row.name,
    enabled: row.enabled,
    expiresAt: optionalTime(row.expiresAtMs),
    groups: groupSet(row.providerGroup),
    limits: compileLimits(row.limits),
    cacheTtl: cacheTtl(row.cacheTtlPreference),
    budgetEnforcement: budget(row.budgetEnforcement),
  };
}

export function compileProvider(row: wire.Provider): Provider {
  const type = providerTypes.find((known) => known === row.providerType);
  if (type === undefined) throw new RowProblem(`unknown provider type "${row.providerType}"`);
  const url = httpUrl(row.url, 'url');
  return {
    id: row.id,
    name: row.name,
    type,
    url,
    apiKey: row.apiKey,
    enabled: row.enabled,
    weight: Math.max(0, row.weight),
    priority: row.priority,
    costMultiplier: multiplier(row.costMultiplier),
    groups: groupSet(row.groupTag),
    groupTag: row.groupTag === '' ? null : row.groupTag,
    preserveClientIp: row.preserveClientIp,
    modelRedirects: new Map(Object.entries(row.modelRedirects)),
    allowedModels: new Set(row.allowedModels),
    joinClaudePool: row.joinClaudePool,
    passthroughUrl: passthroughUrl(row, url),
    limits: compileLimits(row.limits),
    totalCostResetAt: optionalTime(row.totalCostResetAtMs),
    maxAttempts: positive(row.maxRetryAttempts),
    breaker: {
      failureThreshold: row.breakerFailureThreshold,
      openMs: row.breakerOpenMs || 1_800_000,
      halfOpenSuccesses: Math.max(1, row.breakerHalfOpenSuccesses),
    },
    proxyUrl: row.proxyUrl === '' ? undefined : row.proxyUrl,
    proxyFallbackToDirect: row.proxyFallbackToDirect,
    timeouts: { firstByteMs: row.firstByteTimeoutMs, streamIdleMs: row.streamIdleTimeoutMs, totalMs: row.totalTimeoutMs },
    cacheTtl: cacheTtl(row.cacheTtlPreference),
    context1m: oneOf(row.context1mPreference || 'inherit', ['inherit', 'force_enable', 'disabled'], 'context_1m_preference'),
    codex: {
      reasoningEffort: preference(row.codexReasoningEffort),
      reasoningSummary: preference(row.codexReasoningSummary),
      textVerbosity: preference(row.codexTextVerbosity),
      parallelToolCalls: row.codexParallelToolCalls === 'true' ? true : row.codexParallelToolCalls === 'false' ? false : undefined,
    },
    onClientAbort: row.onClientAbort === 'drain' ? 'drain' : 'cancel',
  };
}

export function compilePrice(row: wire.ModelPrice): ModelPrice | undefined {
  return parsePrice(parseJson(row.priceJson, 'price_json'));
}

export function compileSettings(row: wire.Settings): Settings {
  return {
    billingModelSource: oneOf(row.billingModelSource || 'original', ['original', 'redirected'], 'billing_model_source'),
    clientVersionCheck: row.enableClientVersionCheck,
    verboseProviderError: row.verboseProviderError,
    http2: row.enableHttp2,
    interceptWarmup: row.interceptWarmupRequests,
    budgetEnforcement: budget(row.budgetEnforcement) ?? 'soft',
    formatConversion: row.enableFormatConversion,
    maxRequestBodyBytes: Number(row.maxRequestBodyBytes) || defaultSettings.maxRequestBodyBytes,
    timeZone: timeZone(row.timeZone),
    minimumClientVersions: new Map(Object.entries(row.minimumClientVersions)),
  };
}

export function compileErrorRule(row: wire.ErrorRule): ErrorRule {
  const override = row.overrideResponseJson === '' ? undefined : parseJson(row.overrideResponseJson, 'override_response');
  return {
    id: row.id,
    pattern: row.pattern,
    matchType: matchType(row.matchType, 'regex'),
    category: row.category,
    description: row.description,
    priority: row.priority,
    overrideResponse: isObject(override) ? override : undefined,
    overrideStatus: row.overrideStatusCode,
  };
}

export function compileRequestFilter(row: wire.RequestFilter): RequestFilter {
  return {
    id: row.id,
    name: row.name,
    scope: oneOf(row.scope, ['header', 'body'], 'scope'),
    action: oneOf(row.action, ['remove', 'set', 'json_path', 'text_replace'], 'action'),
    matchType: matchType(row.matchType, 'contains'),
    target: row.target,
    replacement: row.replacementJson === '' ? null : parseJson(row.replacementJson, 'replacement'),
    priority: row.priority,
    binding: oneOf(row.bindingType || 'global', ['global', 'providers', 'groups'], 'binding_type'),
    providerIds: new Set(row.providerIds),
    groupTags: new Set(row.groupTags),
  };
}

export function compileSensitiveWord(row: wire.SensitiveWord): SensitiveWord {
  return { id: row.id, word: row.word, matchType: matchType(row.matchType, 'contains') };
}

function compileLimits(row: wire.SpendLimits | undefined): SpendLimits {
  return {
    fiveHourNanos: positiveNanos(row?.fiveHourNanos),
    dailyNanos: positiveNanos(row?.dailyNanos),
    weeklyNanos: positiveNanos(row?.weeklyNanos),
    monthlyNanos: positiveNanos(row?.monthlyNanos),
    totalNanos: positiveNanos(row?.totalNanos),
    concurrentSessions: positive(row?.concurrentSessions),
    dailyReset: {
      mode: row?.dailyResetMode === 'rolling' ? 'rolling' : 'fixed',
      minuteOfDay: minuteOfDay(row?.dailyResetTime ?? ''),
    },
  };
}

function minuteOfDay(value: string): number {
  if (value === '') return 0;
  const match = /^(\d{1,2}):(\d{2})$/.exec(value);
  const minutes = match === null ? Number.NaN : Number(match[1]) * 60 + Number(match[2]);
  if (!(minutes >= 0 && minutes < 24 * 60)) throw new RowProblem(`daily_reset_time "${value}" is not a time of day`);
  return minutes;
}

/** Splits "a, b,,c" and trims; nothing left is the default group. */
export function groupSet(value: string): ReadonlySet<string> {
  const names = value.split(',').map((name) => name.trim()).filter((name) => name !== '');
  return new Set(names.length === 0 ? [defaultGroup] : names);
}

function passthroughUrl(row: wire.Provider, url: URL): URL | undefined {
  if (row.mcpPassthroughType === '' || row.mcpPassthroughType === 'none') return undefined;
  return row.mcpPassthroughUrl === '' ? new URL(url.origin) : httpUrl(row.mcpPassthroughUrl, 'mcp_passthrough_url');
}

function httpUrl(value: string, field: string): URL {
  if (!URL.canParse(value)) throw new RowProblem(`${field} "${value}" is not a URL`);
  const url = new URL(value);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new RowProblem(`${field} must be http or https, not ${url.protocol}`);
  return url;
}

function multiplier(value: string): string {
  if (value === '') return '1';
  if (!/^\d+(\.\d+)?$/.test(value)) throw new RowProblem(`cost_multiplier "${value}" is not a decimal number`);
  return value;
}

function timeZone(value: string): string {
  if (value === '') return defaultSettings.timeZone;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
  } catch {
    throw new RowProblem(`"${value}" is not a time zone`);
  }
}

function oneOf<const T extends string>(value: string, allowed: readonly T[], field: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new RowProblem(`${field} "${value}" is not one of ${allowed.join(', ')}`);
  return found;
}

function matchType(value: string, fallback: MatchType): MatchType {
  return oneOf(value || fallback, ['contains', 'exact', 'regex'], 'match_type');
}

function cacheTtl(value: string): CacheTtl | undefined {
  return value === '5m' || value === '1h' ? value : undefined;
}

function budget(value: string): BudgetEnforcement | undefined {
  return value === 'soft' || value === 'hard' ? value : undefined;
}

function preference(value: string): string | undefined {
  return value === '' || value === 'inherit' ? undefined : value;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function positiveNanos(value: bigint | undefined): bigint | undefined {
  return value !== undefined && value > 0n ? value : undefined;
}

function optionalTime(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

function parseJson(text: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RowProblem(`${field} is not JSON`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
