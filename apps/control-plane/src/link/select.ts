/** What the loader reads of each configuration table; the row types are in `rows.ts`. */

/** Works for timestamps with and without time zone: those without are UTC (v0.3.42). "infinity" comes out as text too. */
const epochMs = (column: string): string => `floor((extract(epoch from ${column}) * 1000)::numeric)::text AS ${column}_ms`;

const sharedLimits =
  'limit_5h_usd::text, limit_weekly_usd::text, limit_monthly_usd::text, limit_total_usd::text, limit_concurrent_sessions, daily_reset_mode::text, daily_reset_time';

export const userColumns = `id, name, is_enabled, ${epochMs('expires_at')}, provider_group, rpm_limit,
  daily_limit_usd::text AS limit_daily_usd, ${sharedLimits}, allowed_clients, allowed_models, budget_enforcement`;

export const keyColumns = `id, user_id, key, key_hash, name, is_enabled, ${epochMs('expires_at')}, provider_group,
  limit_daily_usd::text, ${sharedLimits}, cache_ttl_preference, budget_enforcement`;

export const providerColumns = `id, name, url, key, is_enabled, weight, priority, cost_multiplier::text, group_tag, provider_type,
  preserve_client_ip, model_redirects, allowed_models, join_claude_pool, mcp_passthrough_type, mcp_passthrough_url,
  limit_daily_usd::text, ${sharedLimits}, ${epochMs('total_cost_reset_at')}, max_retry_attempts,
  circuit_breaker_failure_threshold, circuit_breaker_open_duration, circuit_breaker_half_open_success_threshold,
  proxy_url, proxy_fallback_to_direct, first_byte_timeout_streaming_ms, streaming_idle_timeout_ms,
  request_timeout_non_streaming_ms, cache_ttl_preference, context_1m_preference, codex_reasoning_effort_preference,
  codex_reasoning_summary_preference, codex_text_verbosity_preference, codex_parallel_tool_calls_preference, on_client_abort`;

export const settingsColumns = `id, billing_model_source, enable_client_version_check, verbose_provider_error, enable_http2,
  intercept_anthropic_warmup_requests, budget_enforcement, enable_format_conversion, max_request_body_bytes::text`;

export const errorRuleColumns =
  'id, pattern, match_type, category, description, priority, override_response::text AS override_response_json, override_status_code';

export const requestFilterColumns =
  'id, name, scope, action, match_type, target, replacement::text AS replacement_json, priority, binding_type, provider_ids, group_tags';

export const sensitiveWordColumns = 'id, word, match_type';

/** Prices are a history: per model the newest row is in force. `filter` is a where clause or empty. */
export const newestPrices = (filter: string): string => `
  SELECT DISTINCT ON (model_name) id, model_name, price_data::text AS price_json
  FROM model_prices ${filter}
  ORDER BY model_name, created_at DESC NULLS LAST, id DESC`;
