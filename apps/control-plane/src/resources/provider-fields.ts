import { z } from 'zod';
import * as fields from '../fields.ts';
import { Prisma } from '../generated/prisma/client.ts';

/** What a provider is made of, as requests name it. */

const maximum = 2_147_483_647;
const anyWhole = fields.strictWhole(-maximum, maximum).nullable();

const settable = {
  name: fields.filled(64),
  url: fields.url(255),
  key: fields.filled(1024),
  is_enabled: z.boolean(),
  weight: fields.strictWhole(1, 100),
  priority: fields.strictWhole(0, maximum),
  cost_multiplier: fields.amount(999_999),
  group_tag: fields.upTo(50).nullable(),
  provider_type: z.enum(['claude', 'claude-auth', 'codex', 'gemini', 'gemini-cli', 'openai-compatible']),
  preserve_client_ip: z.boolean(),
  model_redirects: z.record(z.string(), z.string()).nullable(),
  allowed_models: z.array(z.string()).nullable(),
  join_claude_pool: z.boolean(),
  mcp_passthrough_type: z.enum(['none', 'minimax', 'glm', 'custom']),
  mcp_passthrough_url: fields.url(512).nullable(),
  limit_5h_usd: fields.amount(10_000).nullable(),
  limit_daily_usd: fields.amount(10_000).nullable(),
  daily_reset_mode: fields.resetMode,
  daily_reset_time: fields.timeOfDay,
  limit_weekly_usd: fields.amount(50_000).nullable(),
  limit_monthly_usd: fields.amount(200_000).nullable(),
  limit_total_usd: fields.amount(10_000_000).nullable(),
  limit_concurrent_sessions: fields.whole(0, 1000),
  cache_ttl_preference: z.enum(['inherit', '5m', '1h']),
  context_1m_preference: z.enum(['inherit', 'force_enable', 'disabled']).nullable(),
  codex_reasoning_effort_preference: z.enum(['inherit', 'none', 'minimal', 'low', 'medium', 'high', 'xhigh']),
  codex_reasoning_summary_preference: z.enum(['inherit', 'auto', 'detailed']),
  codex_text_verbosity_preference: z.enum(['inherit', 'low', 'medium', 'high']),
  codex_parallel_tool_calls_preference: z.enum(['inherit', 'true', 'false']),
  max_retry_attempts: fields.whole(1, 10).nullable(),
  circuit_breaker_failure_threshold: fields.whole(0, maximum).meta({ description: '0 switches the breaker off' }),
  circuit_breaker_open_duration: fields.whole(1000, 86_400_000).meta({ description: 'ms' }),
  circuit_breaker_half_open_success_threshold: fields.whole(1, 10),
  proxy_url: fields.upTo(512).nullable(),
  proxy_fallback_to_direct: z.boolean(),
  first_byte_timeout_streaming_ms: fields.timeout(1000, 180_000),
  streaming_idle_timeout_ms: fields.timeout(60_000, 600_000),
  request_timeout_non_streaming_ms: fields.timeout(60_000, 1_800_000),
  website_url: fields.url(512).nullable(),
  favicon_url: fields.upTo(512).nullable(),
  tpm: anyWhole,
  rpm: anyWhole,
  rpd: anyWhole,
  cc: anyWhole,
  on_client_abort: z
    .enum(['cancel', 'drain'])
    .nullable()
    .meta({ description: 'when the client leaves: `cancel` the upstream request at once (null does too) or `drain` it for its usage' }),
};

/** All optional: what is absent stays as it is. */
export const providerChange = z.object(settable).partial();
export type ProviderChange = z.output<typeof providerChange>;

/** Everything but name, URL and key has a default. */
export const providerOfRequest = z.object({
  ...settable,
  is_enabled: settable.is_enabled.default(true),
  weight: settable.weight.default(1),
  priority: settable.priority.default(0),
  cost_multiplier: settable.cost_multiplier.default(1),
  group_tag: settable.group_tag.default(null),
  provider_type: settable.provider_type.default('claude'),
  preserve_client_ip: settable.preserve_client_ip.default(false),
  model_redirects: settable.model_redirects.default(null),
  allowed_models: settable.allowed_models.default(null),
  join_claude_pool: settable.join_claude_pool.default(false),
  mcp_passthrough_type: settable.mcp_passthrough_type.default('none'),
  mcp_passthrough_url: settable.mcp_passthrough_url.default(null),
  limit_5h_usd: settable.limit_5h_usd.default(null),
  limit_daily_usd: settable.limit_daily_usd.default(null),
  daily_reset_mode: settable.daily_reset_mode.default('fixed'),
  daily_reset_time: settable.daily_reset_time.default('00:00'),
  limit_weekly_usd: settable.limit_weekly_usd.default(null),
  limit_monthly_usd: settable.limit_monthly_usd.default(null),
  limit_total_usd: settable.limit_total_usd.default(null),
  limit_concurrent_sessions: settable.limit_concurrent_sessions.default(0),
  cache_ttl_preference: settable.cache_ttl_preference.default('inherit'),
  context_1m_preference: settable.context_1m_preference.default('inherit'),
  codex_reasoning_effort_preference: settable.codex_reasoning_effort_preference.default('inherit'),
  codex_reasoning_summary_preference: settable.codex_reasoning_summary_preference.default('inherit'),
  codex_text_verbosity_preference: settable.codex_text_verbosity_preference.default('inherit'),
  codex_parallel_tool_calls_preference: settable.codex_parallel_tool_calls_preference.default('inherit'),
  max_retry_attempts: settable.max_retry_attempts.default(null),
  circuit_breaker_failure_threshold: settable.circuit_breaker_failure_threshold.default(5),
  circuit_breaker_open_duration: settable.circuit_breaker_open_duration.default(1_800_000),
  circuit_breaker_half_open_success_threshold: settable.circuit_breaker_half_open_success_threshold.default(2),
  proxy_url: settable.proxy_url.default(null),
  proxy_fallback_to_direct: settable.proxy_fallback_to_direct.default(false),
  first_byte_timeout_streaming_ms: settable.first_byte_timeout_streaming_ms.default(0),
  streaming_idle_timeout_ms: settable.streaming_idle_timeout_ms.default(0),
  request_timeout_non_streaming_ms: settable.request_timeout_non_streaming_ms.default(0),
  website_url: settable.website_url.default(null),
  favicon_url: settable.favicon_url.default(null),
  tpm: settable.tpm.default(null),
  rpm: settable.rpm.default(null),
  rpd: settable.rpd.default(null),
  cc: settable.cc.default(null),
  on_client_abort: settable.on_client_abort.default(null),
});

/** The columns of what is given. Name, URL and key are left to the caller, who has to look at them first. */
export function providerColumns(given: Omit<ProviderChange, 'name' | 'url' | 'key'>) {
  return {
    isEnabled: given.is_enabled,
    weight: given.weight,
    priority: given.priority,
    costMultiplier: given.cost_multiplier,
    groupTag: given.group_tag,
    providerType: given.provider_type,
    preserveClientIp: given.preserve_client_ip,
    modelRedirects: json(given.model_redirects),
    allowedModels: json(given.allowed_models),
    joinClaudePool: given.join_claude_pool,
    mcpPassthroughType: given.mcp_passthrough_type,
    mcpPassthroughUrl: given.mcp_passthrough_url,
    limit5hUsd: given.limit_5h_usd,
    limitDailyUsd: given.limit_daily_usd,
    dailyResetMode: given.daily_reset_mode,
    dailyResetTime: given.daily_reset_time,
    limitWeeklyUsd: given.limit_weekly_usd,
    limitMonthlyUsd: given.limit_monthly_usd,
    limitTotalUsd: given.limit_total_usd,
    limitConcurrentSessions: given.limit_concurrent_sessions,
    cacheTtlPreference: given.cache_ttl_preference,
    context1mPreference: given.context_1m_preference,
    codexReasoningEffortPreference: given.codex_reasoning_effort_preference,
    codexReasoningSummaryPreference: given.codex_reasoning_summary_preference,
    codexTextVerbosityPreference: given.codex_text_verbosity_preference,
    codexParallelToolCallsPreference: given.codex_parallel_tool_calls_preference,
    maxRetryAttempts: given.max_retry_attempts,
    circuitBreakerFailureThreshold: given.circuit_breaker_failure_threshold,
    circuitBreakerOpenDuration: given.circuit_breaker_open_duration,
    circuitBreakerHalfOpenSuccessThreshold: given.circuit_breaker_half_open_success_threshold,
    proxyUrl: given.proxy_url === '' ? null : given.proxy_url,
    proxyFallbackToDirect: given.proxy_fallback_to_direct,
    firstByteTimeoutStreamingMs: given.first_byte_timeout_streaming_ms,
    streamingIdleTimeoutMs: given.streaming_idle_timeout_ms,
    requestTimeoutNonStreamingMs: given.request_timeout_non_streaming_ms,
    websiteUrl: given.website_url,
    faviconUrl: faviconOf(given),
    tpm: given.tpm,
    rpm: given.rpm,
    rpd: given.rpd,
    cc: given.cc,
    onClientAbort: given.on_client_abort,
  };
}

function json<T extends Prisma.InputJsonValue>(value: T | null | undefined): T | typeof Prisma.DbNull | undefined {
  return value === null ? Prisma.DbNull : value;
}

/** A website brings its own icon; one that is sent beside it does not count (v0.3.42). Without a website it does. */
function faviconOf({ website_url, favicon_url }: ProviderChange): string | null | undefined {
  if (website_url === undefined) return favicon_url;
  if (website_url === null) return favicon_url ?? null;
  return `https://www.google.com/s2/favicons?domain=${new URL(website_url).hostname}&sz=32`;
}
