import { create, type Provider, type Snapshot, type UsageRecord, UsageRecordSchema } from '@hub/contract';
import type { Refusal } from '@hub/limits';
import { type Cost, cost, priceFor } from '@hub/pricing';
import { type Usage, upstreamErrorText } from '@hub/protocol';
import { maskSecrets } from '@hub/service';
import type { Caller } from './authenticate.ts';
import { chainReason, type Verdict } from './failure-policy.ts';
import type { Candidate, Plan } from './plan.ts';
import type { JsonObject } from './request/json.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import type { PreparedRequest } from './upstream/prepare.ts';
import type { Failure } from './upstream/reply.ts';

/**
 * What happened to one request, appended to as it happens and read only to be recorded: nothing decides by it. In the end
 * it prices itself and becomes one UsageRecord.
 */

/** Longest error text of a row; the rest of a page or a stack says nothing. */
const maxErrorText = 2000;

export interface OutcomeStart {
  readonly id: string;
  readonly request: ProxyRequest;
  readonly caller: Caller;
  readonly snapshot: Snapshot;
  readonly sessionId: string;
  readonly sequence: number;
}

export interface OutcomeEnd {
  readonly status: number;
  readonly endedAt: number;
  readonly usage: Usage | undefined;
  readonly usageEstimated: boolean;
  readonly error: string | undefined;
  readonly blocked?: { readonly by: string; readonly reason: JsonObject };
}

export interface LastFailed {
  readonly error: string;
  readonly status: number;
  readonly usage: Usage | undefined;
}

export class Outcome {
  readonly start: OutcomeStart;
  readonly #chain: JsonObject[] = [];
  #provider: Provider | undefined;
  #prepared: PreparedRequest | undefined;
  #firstContentAt: number | undefined;
  #cost: Cost | undefined;
  #last: LastFailed | undefined;

  constructor(start: OutcomeStart) {
    this.start = start;
  }

  get provider(): Provider | undefined {
    return this.#provider;
  }

  /** The last failed attempt, for the row of a request that nobody could serve. */
  get lastFailure(): LastFailed | undefined {
    return this.#last;
  }

  /** The cost once `end` has priced it; undefined = unknown. */
  get cost(): Cost | undefined {
    return this.#cost;
  }

  selected(candidate: Candidate, plan: Plan, at: number): void {
    this.#chain.push({
      ...providerFields(candidate, at),
      reason: candidate.reason,
      selectionMethod: candidate.selectionMethod,
      decisionContext: { ...plan.decision, sessionId: this.start.sessionId },
    });
  }

  trying(candidate: Candidate, prepared: PreparedRequest): void {
    this.#provider = candidate.provider;
    this.#prepared = prepared;
    const last = this.#chain.at(-1);
    const { model } = this.start.request;
    if (last !== undefined && model !== undefined && prepared.model !== model) {
      last['modelRedirect'] = { originalModel: model, redirectedModel: prepared.model, billingModel: model };
    }
  }

  /** @param attempt breakerFailures: what its breaker will have counted if this provider is given up now */
  failed(candidate: Candidate, failure: Failure, verdict: Verdict, attempt: { number: number; at: number; breakerFailures: number }): void {
    const { provider } = candidate;
    const text = errorText(provider, failure);
    this.#last = { error: text, status: failure.status, usage: failure.usage };
    this.#chain.push({
      ...providerFields(candidate, attempt.at),
      reason: chainReason(verdict.category),
      attemptNumber: attempt.number,
      // Nobody answered, so there was no status.
      ...(failure.kind !== 'network' && { statusCode: failure.status }),
      errorMessage: text,
      ...(verdict.countsForBreaker && { circuitFailureCount: attempt.breakerFailures, circuitFailureThreshold: provider.breaker.failureThreshold }),
      errorDetails: errorDetails(provider, failure, verdict),
    });
  }

  /** The provider's own limit refused the request before it was sent. */
  refused(candidate: Candidate, refusal: Refusal, at: number): void {
    this.#chain.push({
      ...providerFields(candidate, at),
      reason: refusal.limitType === 'concurrent_sessions' ? 'concurrent_limit_failed' : 'rate_limited',
      decisionContext: { sessionId: this.start.sessionId, concurrentLimit: Number(refusal.limit), currentConcurrent: Number(refusal.current) },
    });
  }

  /** Something was given up for something plainer: HTTP/2 for HTTP/1.1, a proxy for the direct way, signed reasoning for none. */
  fellBack(candidate: Candidate, reason: 'http2_fallback' | 'proxy_fallback' | 'reasoning_fallback', attempt: { number: number; at: number }): void {
    this.#chain.push({ ...providerFields(candidate, attempt.at), reason, attemptNumber: attempt.number });
  }

  succeeded(candidate: Candidate, status: number, first: boolean, attempt: { number: number; at: number }): void {
    this.#firstContentAt = attempt.at;
    this.#chain.push({
      ...providerFields(candidate, attempt.at),
      reason: first ? 'request_success' : 'retry_success',
      attemptNumber: attempt.number,
      statusCode: status,
    });
  }

  /** The row as it stands while the request runs: what is found in the ledger if the process dies. */
  beginRecord(): UsageRecord {
    return create(UsageRecordSchema, this.#identity());
  }

  end(end: OutcomeEnd): UsageRecord {
    const { request } = this.start;
    const { usage } = end;
    const cacheTtl = usage === undefined ? '' : appliedTtl(usage);
    this.#cost = this.#price(usage, cacheTtl);
    return create(UsageRecordSchema, {
      ...this.#identity(),
      ...this.#decision(end),
      statusCode: end.status,
      durationMs: sinceArrival(request, end.endedAt),
      usage: usage === undefined ? undefined : usageMessage(usage),
      costUsd: this.#cost?.usd ?? unpriced(end),
      errorMessage: end.error?.slice(0, maxErrorText) ?? '',
      blockedBy: end.blocked?.by ?? '',
      blockedReasonJson: end.blocked === undefined ? '' : JSON.stringify(end.blocked.reason),
      cacheTtlApplied: cacheTtl,
      usageEstimated: end.usageEstimated,
    });
  }

  #price(usage: Usage | undefined, cacheTtl: ReturnType<typeof appliedTtl>): Cost | undefined {
    const { request, snapshot } = this.start;
    const price = priceFor(snapshot.prices, snapshot.settings.billingModelSource, request.model ?? '', this.#model());
    if (usage === undefined || price === undefined) return undefined;
    const multiplier = this.#provider?.costMultiplier ?? '1';
    return cost({ usage, price, multiplier, context1m: this.#prepared?.context1m ?? false, cacheTtl: cacheTtl || undefined });
  }

  #model(): string {
    return this.#prepared?.model ?? this.start.request.model ?? '';
  }

  /** What was chosen and how it was asked. */
  #decision(end: OutcomeEnd) {
    const special = this.#prepared?.specialSettings ?? [];
    // What the hub answers by itself is there at once.
    const firstContentAt = end.blocked !== undefined && end.status < 400 ? end.endedAt : this.#firstContentAt;
    return {
      model: this.#model(),
      costMultiplier: this.#provider?.costMultiplier ?? '',
      providerChainJson: this.#chain.length === 0 ? '' : JSON.stringify(this.#chain),
      ttfbMs: firstContentAt === undefined ? undefined : sinceArrival(this.start.request, firstContentAt),
      context1mApplied: this.#prepared?.context1m ?? false,
      specialSettingsJson: special.length === 0 ? '' : JSON.stringify(special),
    };
  }

  #identity() {
    const { request, caller, snapshot } = this.start;
    return {
      id: this.start.id,
      startedAtMs: BigInt(Math.round(request.arrivedAt)),
      userId: caller.user.id,
      keyId: caller.key.id,
      providerId: this.#provider?.id ?? 0,
      model: request.model ?? '',
      originalModel: request.model ?? '',
      endpoint: request.path,
      sessionId: this.start.sessionId,
      requestSequence: this.start.sequence,
      userAgent: request.userAgent ?? '',
      messagesCount: request.messageCount,
      configVersion: snapshot.version,
      clientDialect: request.format,
    };
  }
}

/** Whole ms. */
function sinceArrival(request: ProxyRequest, at: number): number {
  return Math.max(0, Math.round(at - request.arrivedAt));
}

/** A failure without usage has cost nothing; a success without usage or price has cost we do not know what. */
function unpriced(end: OutcomeEnd): string | undefined {
  return end.usage === undefined && end.status >= 400 ? '0' : undefined;
}

function providerFields({ provider, circuit }: Candidate, at: number): JsonObject {
  return {
    id: provider.id,
    name: provider.name,
    priority: provider.priority,
    weight: provider.weight,
    costMultiplier: Number(provider.costMultiplier),
    groupTag: provider.groupTag,
    circuitState: circuit,
    timestamp: Math.round(at),
  };
}

/** "Provider <name> returned <status>: <text> | Upstream: <body>", without anything that looks like a key. */
export function errorText(provider: Provider, failure: Failure): string {
  if (failure.kind === 'client_gone') return failure.error.message;
  const body = failure.body.trim();
  const upstream = body === '' ? '' : ` | Upstream: ${body.slice(0, 500)}`;
  return withoutSecrets(`Provider ${provider.name} returned ${failure.status}: ${upstreamErrorText(failure.error)}${upstream}`, provider);
}

export function withoutSecrets(text: string, provider: Provider): string {
  const masked = provider.apiKey.length >= 8 ? text.replaceAll(provider.apiKey, '[masked]') : text;
  return maskSecrets(masked);
}

function errorDetails(provider: Provider, failure: Failure, verdict: Verdict): JsonObject {
  const details: JsonObject =
    failure.kind === 'network'
      ? { system: { errorType: failure.networkCode ?? 'NetworkError', errorName: 'Error', errorMessage: failure.error.message, errorCode: failure.networkCode } }
      : {
          provider: {
            id: provider.id,
            name: provider.name,
            statusCode: failure.status,
            statusText: withoutSecrets(upstreamErrorText(failure.error), provider),
            ...((failure.kind === 'status' || failure.body !== '') && { upstreamBody: withoutSecrets(failure.body.slice(0, 500), provider) }),
          },
        };
  if (verdict.rule !== undefined) {
    const { id, pattern, matchType, category, description, overrideResponse, overrideStatus } = verdict.rule;
    details['matchedRule'] = {
      ruleId: id,
      pattern,
      matchType,
      category,
      description,
      hasOverrideResponse: overrideResponse !== undefined,
      hasOverrideStatusCode: overrideStatus !== undefined,
    };
  }
  return details;
}

function appliedTtl(usage: Usage): '' | '5m' | '1h' | 'mixed' {
  if (usage.cacheWrite5m > 0) return usage.cacheWrite1h > 0 ? 'mixed' : '5m';
  return usage.cacheWrite1h > 0 ? '1h' : '';
}

function usageMessage(usage: Usage) {
  return {
    input: BigInt(usage.input),
    output: BigInt(usage.output),
    cacheRead: BigInt(usage.cacheRead),
    cacheWrite5m: BigInt(usage.cacheWrite5m),
    cacheWrite1h: BigInt(usage.cacheWrite1h),
    cacheWriteUnsplit: BigInt(usage.cacheWriteUnsplit),
    reasoning: BigInt(usage.reasoning),
    inputImage: BigInt(usage.inputImage),
    outputImage: BigInt(usage.outputImage),
    inputAudio: BigInt(usage.inputAudio),
    outputAudio: BigInt(usage.outputAudio),
  };
}
