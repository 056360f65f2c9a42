import type { TokenUsage, UsageRecord } from '@hub/contract';

/**
 * A usage record as a row of message_request. What does not fit a column is cut or clamped, because the request did happen;
 * only a record that makes no sense at all is refused.
 */

/** The columns that `ingest.ts` writes, in its order, with their types. */
export const usageColumns = {
  record_id: 'uuid',
  created_at: 'timestamptz',
  user_id: 'int',
  key_id: 'int',
  key: 'text',
  provider_id: 'int',
  model: 'text',
  original_model: 'text',
  endpoint: 'text',
  session_id: 'text',
  request_sequence: 'int',
  status_code: 'int',
  duration_ms: 'int',
  ttfb_ms: 'int',
  input_tokens: 'int',
  output_tokens: 'int',
  cache_creation_input_tokens: 'int',
  cache_creation_5m_input_tokens: 'int',
  cache_creation_1h_input_tokens: 'int',
  cache_read_input_tokens: 'int',
  cost_usd: 'numeric',
  cost_multiplier: 'numeric',
  provider_chain: 'jsonb',
  error_message: 'text',
  error_cause: 'text',
  blocked_by: 'text',
  blocked_reason: 'text',
  user_agent: 'text',
  messages_count: 'int',
  cache_ttl_applied: 'text',
  context_1m_applied: 'boolean',
  special_settings: 'jsonb',
  usage_estimated: 'boolean',
  config_version: 'text',
  client_dialect: 'text',
} as const;

export type UsageColumn = keyof typeof usageColumns;
export type UsageRow = Readonly<Record<UsageColumn, string | number | boolean | null>>;

const largestInt = 2_147_483_647;
/** PostgreSQL's and JavaScript's calendars both hold this: the year 9999. Epoch ms. */
const latestMoment = 253_402_300_799_999n;
/** message_request.cost_usd is numeric(21,15). */
const highestCost = '999999.999999999999999';
/** Error texts as v0.3.42 cuts them; characters. */
const messageLength = 8_192;
const causeLength = 4_096;
/** Nothing that a gateway writes about one request is bigger; characters. */
const jsonLength = 1024 * 1024;

/**
 * @param key what message_request.key holds for this key
 * @returns the row, or the reason why there can never be one
 */
export function usageRow(record: UsageRecord, key: string): UsageRow | string {
  const problem = problemOf(record);
  if (problem !== undefined) return problem;
  // v0.3.42: such a request never ran, which a null duration says, and its messages were never counted.
  const refusedByWord = record.blockedBy === 'sensitive_word';
  return {
    record_id: record.id,
    created_at: new Date(Number(record.startedAtMs)).toISOString(),
    user_id: record.userId,
    key_id: record.keyId,
    key,
    provider_id: record.providerId,
    model: text(record.model, 128),
    original_model: text(record.originalModel, 128),
    endpoint: text(record.endpoint, 256),
    session_id: text(record.sessionId, 64),
    request_sequence: Math.max(1, record.requestSequence),
    status_code: record.statusCode === 0 ? null : record.statusCode,
    duration_ms: refusedByWord ? null : Math.max(0, record.durationMs),
    ttfb_ms: record.ttfbMs === undefined ? null : Math.max(0, record.ttfbMs),
    ...tokenColumns(record.usage),
    cost_usd: record.costUsd === undefined ? null : storableCost(record.costUsd),
    cost_multiplier: decimal.test(record.costMultiplier) && Number(record.costMultiplier) < 999_999.9999 ? record.costMultiplier : null,
    provider_chain: json(record.providerChainJson),
    error_message: text(record.errorMessage, messageLength),
    error_cause: text(record.errorCause, causeLength),
    blocked_by: text(record.blockedBy, 50),
    blocked_reason: text(record.blockedReasonJson, causeLength),
    user_agent: text(record.userAgent, 512),
    messages_count: refusedByWord ? null : Math.max(0, record.messagesCount),
    cache_ttl_applied: text(record.cacheTtlApplied, 10),
    context_1m_applied: record.context1mApplied,
    special_settings: json(record.specialSettingsJson),
    usage_estimated: record.usageEstimated,
    config_version: text(record.configVersion, 100),
    client_dialect: text(record.clientDialect, 10),
  };
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** An exponent of three digits or more is no price of anything. */
const decimal = /^\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,2})?$/;

function problemOf(record: UsageRecord): string | undefined {
  if (!uuid.test(record.id)) return record.id === '' ? 'the record has no id' : 'the id is not a UUID';
  if (record.startedAtMs <= 0n || record.startedAtMs > latestMoment) return `started_at_ms ${record.startedAtMs} is no moment`;
  if (record.userId <= 0 || record.keyId <= 0) return `user ${record.userId} and key ${record.keyId} cannot be`;
  if (record.providerId < 0) return `provider ${record.providerId} cannot be`;
  if (record.costUsd !== undefined && !decimal.test(record.costUsd)) return 'cost_usd is not a decimal number';
  return undefined;
}

/**
 * Cache writes are one total (contract C8) and two parts; the parts stay null while nobody said how long the writes live.
 */
function tokenColumns(usage: TokenUsage | undefined) {
  const total = usage === undefined ? null : usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit;
  const split = usage !== undefined && (usage.cacheWrite5m > 0n || usage.cacheWrite1h > 0n);
  return {
    input_tokens: tokens(usage?.input),
    output_tokens: tokens(usage?.output),
    cache_creation_input_tokens: tokens(total),
    cache_creation_5m_input_tokens: split ? tokens(usage.cacheWrite5m) : null,
    cache_creation_1h_input_tokens: split ? tokens(usage.cacheWrite1h) : null,
    cache_read_input_tokens: tokens(usage?.cacheRead),
  };
}

/** An upstream that reports nonsense must not make the record disappear: counts are clamped to the column. */
function tokens(count: bigint | null | undefined): number | null {
  if (count === null || count === undefined) return null;
  return Math.min(largestInt, Math.max(0, Number(count)));
}

function storableCost(usd: string): string {
  return Number(usd) < 1e6 ? usd : highestCost;
}

/** Empty = null. NUL, which PostgreSQL cannot hold, is dropped; the rest is cut to whole characters. */
function text(value: string, maximum: number): string | null {
  const clean = value.includes('\0') ? value.replaceAll('\0', '') : value;
  if (clean === '') return null;
  if (clean.length <= maximum) return clean;
  const splitsPair = (clean.charCodeAt(maximum - 1) & 0xfc00) === 0xd800;
  return clean.slice(0, splitsPair ? maximum - 1 : maximum);
}

/** Of these escapes JSON allows what jsonb refuses: NUL and lone surrogates. */
const suspicious = /\\u(0000|[dD][89a-fA-F])|[eE][+-]?\d{3}/;

/** Text that is not JSON, or absurdly long, becomes null. */
function json(value: string): string | null {
  if (value === '' || value.length > jsonLength) return null;
  try {
    const parsed: unknown = JSON.parse(value);
    if (parsed === null) return null;
    return suspicious.test(value) ? JSON.stringify(storable(parsed)) : value;
  } catch {
    return null;
  }
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [storableText(name), storable(member)]));
}

/** The detour over bytes turns lone surrogates into U+FFFD. */
function storableText(value: string): string {
  return Buffer.from(value.replaceAll('\0', ''), 'utf8').toString('utf8');
}
