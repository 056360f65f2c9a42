import { create, wire } from '@hub/contract';
import { usdToNanos } from '@hub/pricing';

/**
 * Rows of the configuration tables as `select.ts` reads them, and what each becomes on the wire. Pure. A row that makes no
 * sense throws an Error that says why; the row is then quarantined, never guessed at.
 *
 * numeric columns arrive as decimal text, times as text of epoch milliseconds, jsonb as parsed values unless named `…_json`.
 */

interface LimitColumns {
  readonly limit_5h_usd: string | null;
  readonly limit_daily_usd: string | null;
  readonly limit_weekly_usd: string | null;
  readonly limit_monthly_usd: string | null;
  readonly limit_total_usd: string | null;
  readonly limit_concurrent_sessions: number | null;
  readonly daily_reset_mode: string;
  readonly daily_reset_time: string;
}

export interface UserRow extends LimitColumns {
  readonly id: number;
  readonly name: string;
  readonly is_enabled: boolean;
  readonly expires_at_ms: string | null;
  readonly provider_group: string | null;
  readonly rpm_limit: number | null;
  readonly allowed_clients: unknown;
  readonly allowed_models: unknown;
  readonly budget_enforcement: string | null;
}

export interface KeyRow extends LimitColumns {
  readonly id: number;
  readonly user_id: number;
  readonly key: string;
  readonly key_hash: Buffer | null;
  readonly name: string;
  readonly is_enabled: boolean | null;
  readonly expires_at_ms: string | null;
  readonly provider_group: string | null;
  readonly cache_ttl_preference: string | null;
  readonly budget_enforcement: string | null;
}

export interface ProviderRow extends LimitColumns {
  readonly id: number;
  readonly name: string;
  readonly url: string;
  readonly key: string;
  readonly is_enabled: boolean;
  readonly weight: number;
  readonly priority: number;
  readonly cost_multiplier: string | null;
  readonly group_tag: string | null;
  readonly provider_type: string;
  readonly preserve_client_ip: boolean;
  readonly model_redirects: unknown;
  readonly allowed_models: unknown;
  readonly join_claude_pool: boolean | null;
  readonly mcp_passthrough_type: string;
  readonly mcp_passthrough_url: string | null;
  readonly total_cost_reset_at_ms: string | null;
  readonly max_retry_attempts: number | null;
  readonly circuit_breaker_failure_threshold: number | null;
  readonly circuit_breaker_open_duration: number | null;
  readonly circuit_breaker_half_open_success_threshold: number | null;
  readonly proxy_url: string | null;
  readonly proxy_fallback_to_direct: boolean | null;
  readonly first_byte_timeout_streaming_ms: number;
  readonly streaming_idle_timeout_ms: number;
  readonly request_timeout_non_streaming_ms: number;
  readonly cache_ttl_preference: string | null;
  readonly context_1m_preference: string | null;
  readonly codex_reasoning_effort_preference: string | null;
  readonly codex_reasoning_summary_preference: string | null;
  readonly codex_text_verbosity_preference: string | null;
  readonly codex_parallel_tool_calls_preference: string | null;
  readonly on_client_abort: string | null;
}

export interface PriceRow {
  readonly id: number;
  readonly model_name: string;
  readonly price_json: string;
}

export interface SettingsRow {
  readonly id: number;
  readonly billing_model_source: string;
  readonly enable_client_version_check: boolean;
  readonly verbose_provider_error: boolean;
  readonly enable_http2: boolean;
  readonly intercept_anthropic_warmup_requests: boolean;
  readonly budget_enforcement: string;
  readonly enable_format_conversion: boolean;
  readonly max_request_body_bytes: string;
}

export interface ErrorRuleRow {
  readonly id: number;
  readonly pattern: string;
  readonly match_type: string;
  readonly category: string;
  readonly description: string | null;
  readonly priority: number;
  readonly override_response_json: string | null;
  readonly override_status_code: number | null;
}

export interface RequestFilterRow {
  readonly id: number;
  readonly name: string;
  readonly scope: string;
  readonly action: string;
  readonly match_type: string | null;
  readonly target: string;
  readonly replacement_json: string | null;
  readonly priority: number;
  readonly binding_type: string;
  readonly provider_ids: unknown;
  readonly group_tags: unknown;
}

export interface SensitiveWordRow {
  readonly id: number;
  readonly word: string;
  readonly match_type: string;
}

export function userEntity(row: UserRow): wire.Entity {
  const value = {
    id: row.id,
    name: row.name,
    enabled: row.is_enabled,
    expiresAtMs: moment(row.expires_at_ms),
    providerGroup: row.provider_group ?? '',
    rpm: row.rpm_limit ?? undefined,
    limits: spendLimits(row),
    allowedClients: texts(row.allowed_clients, 'allowed_clients'),
    allowedModels: texts(row.allowed_models, 'allowed_models'),
    budgetEnforcement: row.budget_enforcement ?? '',
  };
  return create(wire.EntitySchema, { entity: { case: 'user', value } });
}

/** @param sha256 of the key string; the key itself stays here */
export function keyEntity(row: KeyRow, sha256: Uint8Array): wire.Entity {
  const value = {
    id: row.id,
    userId: row.user_id,
    sha256,
    name: row.name,
    // v0.3.42 asks for "= true": a null is not enabled.
    enabled: row.is_enabled === true,
    expiresAtMs: moment(row.expires_at_ms),
    providerGroup: row.provider_group ?? '',
    limits: spendLimits(row),
    cacheTtlPreference: row.cache_ttl_preference ?? '',
    budgetEnforcement: row.budget_enforcement ?? '',
  };
  return create(wire.EntitySchema, { entity: { case: 'key', value } });
}

/** @param apiKey the provider's key, unsealed */
export function providerEntity(row: ProviderRow, apiKey: string): wire.Entity {
  const value = {
    id: row.id,
    name: row.name,
    url: row.url,
    apiKey,
    enabled: row.is_enabled,
    weight: row.weight,
    priority: row.priority,
    costMultiplier: row.cost_multiplier ?? '',
    groupTag: row.group_tag ?? '',
    providerType: row.provider_type,
    preserveClientIp: row.preserve_client_ip,
    modelRedirects: textMap(row.model_redirects, 'model_redirects'),
    allowedModels: texts(row.allowed_models, 'allowed_models'),
    joinClaudePool: row.join_claude_pool === true,
    mcpPassthroughType: row.mcp_passthrough_type,
    mcpPassthroughUrl: row.mcp_passthrough_url ?? '',
    limits: spendLimits(row),
    totalCostResetAtMs: moment(row.total_cost_reset_at_ms),
    maxRetryAttempts: row.max_retry_attempts ?? undefined,
    // A null counts as the column's default (v0.3.42).
    breakerFailureThreshold: row.circuit_breaker_failure_threshold ?? 5,
    breakerOpenMs: row.circuit_breaker_open_duration ?? 1_800_000,
    breakerHalfOpenSuccesses: row.circuit_breaker_half_open_success_threshold ?? 2,
    proxyUrl: row.proxy_url ?? '',
    proxyFallbackToDirect: row.proxy_fallback_to_direct === true,
    firstByteTimeoutMs: row.first_byte_timeout_streaming_ms,
    streamIdleTimeoutMs: row.streaming_idle_timeout_ms,
    totalTimeoutMs: row.request_timeout_non_streaming_ms,
    ...preferences(row),
    onClientAbort: row.on_client_abort ?? '',
  };
  return create(wire.EntitySchema, { entity: { case: 'provider', value } });
}

function preferences(row: ProviderRow) {
  return {
    cacheTtlPreference: row.cache_ttl_preference ?? '',
    context1mPreference: row.context_1m_preference ?? '',
    codexReasoningEffort: row.codex_reasoning_effort_preference ?? '',
    codexReasoningSummary: row.codex_reasoning_summary_preference ?? '',
    codexTextVerbosity: row.codex_text_verbosity_preference ?? '',
    codexParallelToolCalls: row.codex_parallel_tool_calls_preference ?? '',
  };
}

export function priceEntity(row: PriceRow): wire.Entity {
  return create(wire.EntitySchema, { entity: { case: 'price', value: { model: row.model_name, priceJson: row.price_json } } });
}

/** @param row undefined = the table is empty, so everything has its default */
export function settingsEntity(row: SettingsRow | undefined, timeZone: string): wire.Entity {
  const value =
    row === undefined
      ? { enableFormatConversion: true, timeZone }
      : {
          billingModelSource: row.billing_model_source,
          enableClientVersionCheck: row.enable_client_version_check,
          verboseProviderError: row.verbose_provider_error,
          enableHttp2: row.enable_http2,
          interceptWarmupRequests: row.intercept_anthropic_warmup_requests,
          budgetEnforcement: row.budget_enforcement,
          enableFormatConversion: row.enable_format_conversion,
          maxRequestBodyBytes: BigInt(row.max_request_body_bytes),
          timeZone,
        };
  return create(wire.EntitySchema, { entity: { case: 'settings', value } });
}

export function errorRuleEntity(row: ErrorRuleRow): wire.Entity {
  const value = {
    id: row.id,
    pattern: row.pattern,
    matchType: row.match_type,
    category: row.category,
    description: row.description ?? '',
    priority: row.priority,
    overrideResponseJson: row.override_response_json ?? '',
    overrideStatusCode: row.override_status_code ?? undefined,
  };
  return create(wire.EntitySchema, { entity: { case: 'errorRule', value } });
}

export function requestFilterEntity(row: RequestFilterRow): wire.Entity {
  const value = {
    id: row.id,
    name: row.name,
    scope: row.scope,
    action: row.action,
    matchType: row.match_type ?? '',
    target: row.target,
    replacementJson: row.replacement_json ?? '',
    priority: row.priority,
    bindingType: row.binding_type,
    providerIds: integers(row.provider_ids, 'provider_ids'),
    groupTags: texts(row.group_tags, 'group_tags'),
  };
  return create(wire.EntitySchema, { entity: { case: 'requestFilter', value } });
}

export function sensitiveWordEntity(row: SensitiveWordRow): wire.Entity {
  const value = { id: row.id, word: row.word, matchType: row.match_type };
  return create(wire.EntitySchema, { entity: { case: 'sensitiveWord', value } });
}

function spendLimits(row: LimitColumns) {
  return {
    fiveHourNanos: nanos(row.limit_5h_usd),
    dailyNanos: nanos(row.limit_daily_usd),
    weeklyNanos: nanos(row.limit_weekly_usd),
    monthlyNanos: nanos(row.limit_monthly_usd),
    totalNanos: nanos(row.limit_total_usd),
    concurrentSessions: row.limit_concurrent_sessions ?? undefined,
    dailyResetMode: row.daily_reset_mode,
    dailyResetTime: row.daily_reset_time,
  };
}

/** What an int64 can carry, about 9.2 billion USD. */
const mostNanos = 2n ** 63n - 1n;

/**
 * USD of a limit column → nano-dollars. Above what the wire can carry the limit stays as high as it goes; a limit below one
 * nano-dollar must not round to 0, which would mean no limit.
 */
export function nanos(usd: string | null): bigint | undefined {
  if (usd === null) return undefined;
  const value = usdToNanos(usd);
  if (value > mostNanos) return mostNanos;
  if (value === 0n && /[1-9]/.test(usd) && !usd.startsWith('-')) return 1n;
  return value < 0n ? 0n : value;
}

/** PostgreSQL's "infinity" never comes. */
function moment(epochMs: string | null): bigint | undefined {
  if (epochMs === null || epochMs === 'Infinity') return undefined;
  return epochMs === '-Infinity' ? 0n : BigInt(epochMs);
}

/** A list of strings. Null is the empty list; anything else must not silently become "all allowed". */
function texts(value: unknown, column: string): string[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new Error(`${column} is not a list`);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw new Error(`${column} holds something that is not text`);
    return item;
  });
}

function integers(value: unknown, column: string): number[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new Error(`${column} is not a list`);
  return value.map((item: unknown) => {
    if (typeof item !== 'number' || !Number.isInteger(item) || Math.abs(item) > 2_147_483_647) throw new Error(`${column} holds something that is not an id`);
    return item;
  });
}

function textMap(value: unknown, column: string): Record<string, string> {
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new Error(`${column} is not an object`);
  const map: Record<string, string> = {};
  for (const [name, target] of Object.entries(value)) {
    if (typeof target !== 'string') throw new Error(`${column} maps "${name}" to something that is not text`);
    map[name] = target;
  }
  return map;
}
