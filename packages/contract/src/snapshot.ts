import type { ModelPrice } from '@hub/pricing';

/**
 * The configuration as a data plane uses it: every text parsed, every default filled in, every reference indexed. A value
 * of this type never changes; a new version is a new value that shares what did not change.
 */
export interface Snapshot {
  /** Opaque; compare for equality only. */
  readonly version: string;
  readonly settings: Settings;
  readonly users: ReadonlyMap<number, User>;
  readonly keys: ReadonlyMap<number, Key>;
  /** By `keyFingerprint` of the key string. */
  readonly keysByFingerprint: ReadonlyMap<string, Key>;
  readonly providers: ReadonlyMap<number, Provider>;
  readonly prices: ReadonlyMap<string, ModelPrice>;
  readonly errorRules: ReadonlyMap<number, ErrorRule>;
  readonly requestFilters: ReadonlyMap<number, RequestFilter>;
  readonly sensitiveWords: ReadonlyMap<number, SensitiveWord>;
}

export const providerTypes = ['claude', 'claude-auth', 'codex', 'gemini', 'gemini-cli', 'openai-compatible'] as const;
export type ProviderType = (typeof providerTypes)[number];

/** undefined = unlimited. */
export interface SpendLimits {
  readonly fiveHourNanos: bigint | undefined;
  readonly dailyNanos: bigint | undefined;
  readonly weeklyNanos: bigint | undefined;
  readonly monthlyNanos: bigint | undefined;
  readonly totalNanos: bigint | undefined;
  readonly concurrentSessions: number | undefined;
  readonly dailyReset: DailyReset;
}

export interface DailyReset {
  readonly mode: 'fixed' | 'rolling';
  /** Minutes after midnight in the hub's time zone; only read when fixed. */
  readonly minuteOfDay: number;
}

export type BudgetEnforcement = 'soft' | 'hard';

export interface User {
  readonly id: number;
  readonly name: string;
  readonly enabled: boolean;
  readonly expiresAt: number | undefined;
  readonly groups: ReadonlySet<string>;
  readonly rpm: number | undefined;
  readonly limits: SpendLimits;
  readonly allowedClients: readonly string[];
  /** Lower case. */
  readonly allowedModels: ReadonlySet<string>;
  readonly budgetEnforcement: BudgetEnforcement | undefined;
}

export interface Key {
  readonly id: number;
  readonly userId: number;
  readonly fingerprint: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly expiresAt: number | undefined;
  /** May hold "*" = every provider. Never empty. */
  readonly groups: ReadonlySet<string>;
  readonly limits: SpendLimits;
  readonly cacheTtl: CacheTtl | undefined;
  readonly budgetEnforcement: BudgetEnforcement | undefined;
}

export type CacheTtl = '5m' | '1h';

export interface Provider {
  readonly id: number;
  readonly name: string;
  readonly type: ProviderType;
  readonly url: URL;
  readonly apiKey: string;
  readonly enabled: boolean;
  readonly weight: number;
  readonly priority: number;
  /** Decimal text. */
  readonly costMultiplier: string;
  readonly groups: ReadonlySet<string>;
  /** As stored; null = no tag. For the decision chain. */
  readonly groupTag: string | null;
  readonly preserveClientIp: boolean;
  readonly modelRedirects: ReadonlyMap<string, string>;
  /** Empty = no restriction. */
  readonly allowedModels: ReadonlySet<string>;
  readonly joinClaudePool: boolean;
  /** Where paths that are no known endpoint go; undefined = as everything else. */
  readonly passthroughUrl: URL | undefined;
  readonly limits: SpendLimits;
  readonly totalCostResetAt: number | undefined;
  readonly maxAttempts: number | undefined;
  readonly breaker: { readonly failureThreshold: number; readonly openMs: number; readonly halfOpenSuccesses: number };
  readonly proxyUrl: string | undefined;
  readonly proxyFallbackToDirect: boolean;
  /** ms; 0 = off. */
  readonly timeouts: { readonly firstByteMs: number; readonly streamIdleMs: number; readonly totalMs: number };
  readonly cacheTtl: CacheTtl | undefined;
  readonly context1m: 'inherit' | 'force_enable' | 'disabled';
  /** undefined = leave what the client asked for. */
  readonly codex: {
    readonly reasoningEffort: string | undefined;
    readonly reasoningSummary: string | undefined;
    readonly textVerbosity: string | undefined;
    readonly parallelToolCalls: boolean | undefined;
  };
  readonly onClientAbort: 'cancel' | 'drain';
}

export interface Settings {
  readonly billingModelSource: 'original' | 'redirected';
  readonly clientVersionCheck: boolean;
  readonly verboseProviderError: boolean;
  readonly http2: boolean;
  readonly interceptWarmup: boolean;
  readonly budgetEnforcement: BudgetEnforcement;
  readonly formatConversion: boolean;
  readonly maxRequestBodyBytes: number;
  readonly timeZone: string;
  readonly minimumClientVersions: ReadonlyMap<string, string>;
}

export type MatchType = 'contains' | 'exact' | 'regex';

export interface ErrorRule {
  readonly id: number;
  readonly pattern: string;
  readonly matchType: MatchType;
  readonly category: string;
  readonly description: string;
  readonly priority: number;
  readonly overrideResponse: Readonly<Record<string, unknown>> | undefined;
  readonly overrideStatus: number | undefined;
}

export interface RequestFilter {
  readonly id: number;
  readonly name: string;
  readonly scope: 'header' | 'body';
  readonly action: 'remove' | 'set' | 'json_path' | 'text_replace';
  readonly matchType: MatchType;
  readonly target: string;
  readonly replacement: unknown;
  readonly priority: number;
  readonly binding: 'global' | 'providers' | 'groups';
  readonly providerIds: ReadonlySet<number>;
  readonly groupTags: ReadonlySet<string>;
}

export interface SensitiveWord {
  readonly id: number;
  readonly word: string;
  readonly matchType: MatchType;
}
