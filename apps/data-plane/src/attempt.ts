import { setTimeout as delay } from 'node:timers/promises';
import type { Provider } from '@hub/contract';
import type { Breakers, Hold, Permit, Refusal } from '@hub/limits';
import type { Clock } from '@hub/service';
import { type FirstRefused, providerSubject } from './admission.ts';
import { outputCap } from './budget.ts';
import type { Exchange } from './exchange.ts';
import { HubFault } from './faults.ts';
import { judge, type Verdict } from './failure-policy.ts';
import { finalFault, type LastFailure } from './final-fault.ts';
import { noProviderFault } from './no-provider.ts';
import type { Outcome } from './outcome.ts';
import type { Candidate, Plan } from './plan.ts';
import { providerDialect } from './routes.ts';
import { errorRulesOf } from './rules/error-rules.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import { filtered } from './rules/request-filters.ts';
import type { Credentials } from './upstream/credentials.ts';
import { prepareRequest, type PreparedRequest } from './upstream/prepare.ts';
import { refusesReasoning, withoutReasoning } from './upstream/reasoning.ts';
import { type Failure, failureOf, isFailure, type Reply, requestReply } from './upstream/reply.ts';
import type { Route, Transport } from './upstream/transport.ts';

/** Finds a provider that answers: one candidate after the other, several attempts each, nothing shown to the client. */

export interface AttemptTools {
  readonly transport: Transport;
  readonly credentials: Credentials;
  readonly breakers: Breakers;
  readonly clock: Clock;
  /** Attempts at a provider that has no number of its own. */
  readonly maxAttempts: number;
  readonly breakerCountsNetworkErrors: boolean;
}

export interface Answered {
  readonly reply: Reply;
  readonly candidate: Candidate;
  readonly prepared: PreparedRequest;
  /** Still to be told how the answer ended. */
  readonly permit: Permit;
  /** Another provider was tried before this one. */
  readonly failedOver: boolean;
}

/** One request's way through its candidates. */
export interface AttemptContext {
  readonly plan: Plan;
  readonly exchange: Exchange;
  readonly outcome: Outcome;
  /** undefined: nothing was taken (count_tokens). */
  readonly hold: Hold | undefined;
  /** The provider that answered this session before. */
  readonly bound: number | undefined;
  /** Its own limits have refused the first candidate already. */
  readonly firstRefused: FirstRefused | undefined;
}

/** v0.3.42's bounds: providers per request, and the pause between two attempts at the same one (ms). */
const maxProviders = 20;
const retryPauseMs = 100;

/**
 * @throws HubFault when nobody could serve the request, or when the request itself is at fault
 */
export async function attempt(context: AttemptContext, tools: AttemptTools): Promise<Answered> {
  const { plan, outcome } = context;
  const failures: LastFailure[] = [];
  const refusals: Refusal[] = [];
  let selected = false;
  for (const candidate of plan.candidates.slice(0, maxProviders)) {
    const entry = await enter(candidate, context, tools);
    if (entry.permit === undefined) {
      if (entry.refusal !== undefined) refusals.push(entry.refusal);
      continue;
    }
    if (!selected) outcome.selected(candidate, plan, tools.clock.now());
    selected = true;
    const result = await attemptCandidate(candidate, context, tools);
    if (result.reply !== undefined) return { reply: result.reply, prepared: result.prepared, candidate, permit: entry.permit, failedOver: failures.length > 0 };
    const now = tools.clock.now();
    if (result.verdict.countsForBreaker) entry.permit.failure(now);
    else entry.permit.release(now);
    failures.push({ candidate, failure: result.failure, verdict: result.verdict });
    if (!result.verdict.tryNext) break;
  }
  if (failures.length === 0) throw noProviderFault(plan, outcome.start.snapshot, refusals);
  throw finalFault(failures, outcome.start.request);
}

/** Leave of the provider's breaker and of its own limits. */
async function enter(
  candidate: Candidate,
  { hold, outcome, firstRefused }: AttemptContext,
  tools: AttemptTools,
): Promise<{ permit: Permit | undefined; refusal?: Refusal }> {
  const { provider } = candidate;
  const now = tools.clock.now();
  const permit = await tools.breakers.acquire(provider.id, provider.breaker, now);
  if (permit === undefined || hold === undefined) return { permit };
  const answer = provider === firstRefused?.provider ? ({ ok: false, refusal: firstRefused.refusal } as const) : await hold.enter(providerSubject(provider), now);
  if (answer.ok && outputCap(outcome.start, provider, hold.grantedNanos) !== 0) return { permit };
  permit.release(now);
  if (answer.ok) return { permit: undefined };
  outcome.refused(candidate, answer.refusal, now);
  return { permit: undefined, refusal: answer.refusal };
}

type CandidateResult =
  | { readonly reply: Reply; readonly prepared: PreparedRequest }
  | { readonly reply: undefined; readonly failure: Failure; readonly verdict: Verdict };

/** All attempts at one provider. */
async function attemptCandidate(candidate: Candidate, context: AttemptContext, tools: AttemptTools): Promise<CandidateResult> {
  const { provider } = candidate;
  const { exchange, outcome } = context;
  const { snapshot } = outcome.start;
  let { request } = outcome.start;
  const limit = provider.maxAttempts ?? tools.maxAttempts;
  let route: Route = { proxyUrl: provider.proxyUrl, http2: snapshot.settings.http2 };
  const policy = {
    operation: request.operation,
    breakerCountsNetworkErrors: tools.breakerCountsNetworkErrors,
    matchRule: (text: string) => errorRulesOf(snapshot).match(text),
  };
  for (let number = 1; ; number++) {
    const result = await exchangeOnce(candidate, { request, route }, context, tools);
    const at = tools.clock.now();
    if (result.reply !== undefined) {
      outcome.succeeded(candidate, result.reply.status, isFirstAttempt(outcome, number), { number, at });
      return result;
    }
    const { failure } = result;
    const plainer = plainerRoute(route, failure, provider);
    if (plainer !== undefined) {
      outcome.fellBack(candidate, plainer.reason, { number, at });
      route = plainer.route;
      number--;
      continue;
    }
    const simpler = refusesReasoning(failure) ? withoutReasoning(request) : undefined;
    if (simpler !== undefined) {
      outcome.fellBack(candidate, 'reasoning_fallback', { number, at });
      request = simpler;
      number--;
      continue;
    }
    const verdict = judge(failure, policy);
    outcome.failed(candidate, failure, verdict, { number, at, breakerFailures: tools.breakers.record(provider.id).failures + 1 });
    if (verdict.retrySame && number < limit && (await pause(exchange))) continue;
    return { reply: undefined, failure, verdict };
  }
}

function isFirstAttempt(outcome: Outcome, number: number): boolean {
  return number === 1 && outcome.lastFailure === undefined;
}

async function exchangeOnce(
  candidate: Candidate,
  { request, route }: { readonly request: ProxyRequest; readonly route: Route },
  { exchange, outcome, hold, bound }: AttemptContext,
  tools: AttemptTools,
): Promise<{ reply: Reply; prepared: PreparedRequest } | { reply: undefined; failure: Failure }> {
  const { provider } = candidate;
  const { caller, snapshot } = outcome.start;
  if (exchange.clientGone) return { reply: undefined, failure: failureOf('client_gone', 499, 'the client closed the connection') };
  let prepared: PreparedRequest;
  try {
    prepared = prepareRequest(filtered(request, provider, snapshot), caller, provider, {
      credential: await tools.credentials.of(provider),
      outputCap: outputCap(outcome.start, provider, hold?.grantedNanos),
      sameProvider: bound === provider.id,
    });
  } catch (error) {
    if (error instanceof HubFault) return { reply: undefined, failure: failureOf('status', error.status, error.message) };
    return { reply: undefined, failure: failureOf('network', 502, error instanceof Error ? error.message : String(error)) };
  }
  outcome.trying(candidate, prepared);
  const pending = requestReply(tools.transport, prepared, {
    dialect: providerDialect[provider.type],
    operation: request.operation,
    wantsStream: request.streaming,
    route,
    timeouts: provider.timeouts,
    now: () => tools.clock.now(),
  });
  const stopListening = exchange.onClientGone(() => pending.abandon());
  const result = await pending.result;
  stopListening();
  return isFailure(result) ? { reply: undefined, failure: result } : { reply: result, prepared };
}

/** Over HTTP/1.1 instead of HTTP/2, or directly instead of through a proxy, where that may help and is allowed. */
function plainerRoute(
  route: Route,
  failure: Failure,
  provider: Provider,
): { route: Route; reason: 'http2_fallback' | 'proxy_fallback' } | undefined {
  if (failure.kind !== 'network') return undefined;
  if (route.http2 && /HTTP2|H2/i.test(`${failure.networkCode ?? ''} ${failure.error.message}`)) {
    return { route: { ...route, http2: false }, reason: 'http2_fallback' };
  }
  if (route.proxyUrl !== undefined && provider.proxyFallbackToDirect) {
    return { route: { ...route, proxyUrl: undefined }, reason: 'proxy_fallback' };
  }
  return undefined;
}

/** @returns false if the client left meanwhile */
async function pause(exchange: Exchange): Promise<boolean> {
  const gone = new AbortController();
  const stopListening = exchange.onClientGone(() => gone.abort());
  await delay(retryPauseMs, undefined, { signal: gone.signal }).catch(() => undefined);
  stopListening();
  return !exchange.clientGone;
}
