import { z } from 'zod';
import type { Provider } from '../generated/prisma/client.ts';
import { maskKey } from '../mask.ts';
import { usdNumber } from '../money.ts';

const usd = z.number().nullable();
const text = z.string().nullable();
const whole = z.number().nullable();

export const providerDisplay = z
  .object({
    id: z.number(),
    name: z.string(),
    url: z.string(),
    maskedKey: z.string(),
    isEnabled: z.boolean(),
    weight: z.number(),
    priority: z.number(),
    costMultiplier: z.number(),
    groupTag: text,
    providerType: z.string(),
    preserveClientIp: z.boolean(),
    modelRedirects: z.unknown(),
    allowedModels: z.unknown(),
    joinClaudePool: z.boolean(),
    codexInstructionsStrategy: z.string(),
    mcpPassthroughType: z.string(),
    mcpPassthroughUrl: text,
    limit5hUsd: usd,
    limitDailyUsd: usd,
    dailyResetMode: z.enum(['fixed', 'rolling']),
    dailyResetTime: z.string(),
    limitWeeklyUsd: usd,
    limitMonthlyUsd: usd,
    limitTotalUsd: usd,
    limitConcurrentSessions: z.number(),
    maxRetryAttempts: whole,
    circuitBreakerFailureThreshold: z.number(),
    circuitBreakerOpenDuration: z.number(),
    circuitBreakerHalfOpenSuccessThreshold: z.number(),
    proxyUrl: text,
    proxyFallbackToDirect: z.boolean(),
    firstByteTimeoutStreamingMs: z.number(),
    streamingIdleTimeoutMs: z.number(),
    requestTimeoutNonStreamingMs: z.number(),
    websiteUrl: text,
    faviconUrl: text,
    cacheTtlPreference: text,
    context1mPreference: text,
    codexReasoningEffortPreference: text,
    codexReasoningSummaryPreference: text,
    codexTextVerbosityPreference: text,
    codexParallelToolCallsPreference: text,
    tpm: whole,
    rpm: whole,
    rpd: whole,
    cc: whole,
    createdAt: z.string().meta({ format: 'date' }),
    updatedAt: z.string().meta({ format: 'date' }),
    todayTotalCostUsd: z.string(),
    todayCallCount: z.number(),
    lastCallTime: text,
    lastCallModel: text,
  })
  .meta({ id: 'Provider' });

/** @param key its API key in the clear; only the mask of it leaves */
export function showProvider(row: Provider, key: string): z.output<typeof providerDisplay> {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    maskedKey: maskKey(key),
    isEnabled: row.isEnabled,
    weight: row.weight,
    priority: row.priority,
    costMultiplier: usdNumber(row.costMultiplier) ?? 1,
    groupTag: row.groupTag,
    providerType: row.providerType,
    preserveClientIp: row.preserveClientIp,
    modelRedirects: row.modelRedirects,
    allowedModels: row.allowedModels,
    joinClaudePool: row.joinClaudePool ?? false,
    codexInstructionsStrategy: row.codexInstructionsStrategy ?? 'auto',
    mcpPassthroughType: row.mcpPassthroughType,
    mcpPassthroughUrl: row.mcpPassthroughUrl,
    limit5hUsd: usdNumber(row.limit5hUsd),
    limitDailyUsd: usdNumber(row.limitDailyUsd),
    dailyResetMode: row.dailyResetMode,
    dailyResetTime: row.dailyResetTime,
    limitWeeklyUsd: usdNumber(row.limitWeeklyUsd),
    limitMonthlyUsd: usdNumber(row.limitMonthlyUsd),
    limitTotalUsd: usdNumber(row.limitTotalUsd),
    limitConcurrentSessions: row.limitConcurrentSessions ?? 0,
    maxRetryAttempts: row.maxRetryAttempts,
    circuitBreakerFailureThreshold: row.circuitBreakerFailureThreshold ?? 5,
    circuitBreakerOpenDuration: row.circuitBreakerOpenDuration ?? 1_800_000,
    circuitBreakerHalfOpenSuccessThreshold: row.circuitBreakerHalfOpenSuccessThreshold ?? 2,
    proxyUrl: row.proxyUrl,
    proxyFallbackToDirect: row.proxyFallbackToDirect ?? false,
    firstByteTimeoutStreamingMs: row.firstByteTimeoutStreamingMs,
    streamingIdleTimeoutMs: row.streamingIdleTimeoutMs,
    requestTimeoutNonStreamingMs: row.requestTimeoutNonStreamingMs,
    websiteUrl: row.websiteUrl,
    faviconUrl: row.faviconUrl,
    cacheTtlPreference: row.cacheTtlPreference,
    context1mPreference: row.context1mPreference,
    codexReasoningEffortPreference: row.codexReasoningEffortPreference,
    codexReasoningSummaryPreference: row.codexReasoningSummaryPreference,
    codexTextVerbosityPreference: row.codexTextVerbosityPreference,
    codexParallelToolCallsPreference: row.codexParallelToolCallsPreference,
    tpm: row.tpm,
    rpm: row.rpm,
    rpd: row.rpd,
    cc: row.cc,
    createdAt: dateText(row.createdAt),
    updatedAt: dateText(row.updatedAt),
    // v0.3.42 no longer fills these in here; clients still expect them.
    todayTotalCostUsd: '0',
    todayCallCount: 0,
    lastCallTime: null,
    lastCallModel: null,
  };
}

/** YYYY-MM-DD, UTC. */
function dateText(at: Date | null): string {
  return (at ?? new Date(0)).toISOString().slice(0, 10);
}
