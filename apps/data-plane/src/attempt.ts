import { setTimeout as delay } from 'node:timers/promises';
import type { Provider } from '@hub/contract';
import type { Clock } from '@hub/service';
import { errorRulesOf } from './error-rules.ts';
import type { Exchange } from './exchange.ts';
import { judge, type Verdict } from './failure-policy.ts';
import { finalFault, type LastFailure } from './final-fault.ts';
import type { Outcome } from './outcome.ts';
import type { Candidate, Plan } from './plan.ts';
import { providerDialect } from './routes.ts';
import type { Credentials } from './upstream/credentials.ts';
import { prepareRequest, type PreparedRequest } from './upstream/prepare.ts';
import { type Failure, failureOf, isFailure, type Reply, requestReply } from './upstream/reply.ts';
import type { Route, Transport } from './upstream/transport.ts';

/** Finds a provider that answers: one candidate after the other, several attempts each, nothing shown to the client. */

export interface AttemptTools {
  readonly transport: Transport;
  readonly credentials: Credentials;
  readonly health: ProviderHealth;
  readonly clock: Clock;
  /** Attempts at a provider that has no number of its own. */
  readonly maxAttempts: number;
  readonly breakerCountsNetworkErrors: boolean;
}

/** What the breakers want to hear. Each is told once per request and provider. */
export interface ProviderHealth {
  /** May this provider be tried now? In half-open state only a few may. */
  admit(provider: Provider): boolean | Promise<boolean>;
  succeeded(provider: Provider): void;
  failed(provider: Provider, error: string): void;
  /** The trial ended without a verdict, e.g. because the client left. */
  abandoned(provider: Provider): void;
}

export interface Answered {
  readonly reply: Reply;
  readonly candidate: Candidate;
  readonly prepared: PreparedRequest;
}

/** v0.3.42's bounds: providers per request, and the pause between two attempts at the same one (ms). */
const maxProviders = 20;
const retryPauseMs = 100;

/**
 * @throws HubFault when nobody could serve the request, or when the request itself is at fault
 */
export async function attempt(plan: Plan, exchange: Exchange, outcome: Outcome, tools: AttemptTools): Promise<Answered> {
  const failures: LastFailure[] = [];
  const candidates = plan.candidates.slice(0, maxProviders);
  for (const [index, candidate] of candidates.entries()) {
    if (!(await tools.health.admit(candidate.provider))) continue;
    if (index === 0) outcome.selected(candidate, plan, tools.clock.now());
    const result = await attemptCandidate(candidate, exchange, outcome, tools);
    if (result.answered !== undefined) return result.answered;
    failures.push({ candidate, failure: result.failure, verdict: result.verdict });
    if (!result.verdict.tryNext) break;
  }
  throw finalFault(failures, outcome.start.request);
}

type CandidateResult =
  | { readonly answered: Answered }
  | { readonly answered: undefined; readonly failure: Failure; readonly verdict: Verdict };

/** All attempts at one provider. */
async function attemptCandidate(candidate: Candidate, exchange: Exchange, outcome: Outcome, tools: AttemptTools): Promise<CandidateResult> {
  const { provider } = candidate;
  const { request, snapshot } = outcome.start;
  const limit = provider.maxAttempts ?? tools.maxAttempts;
  let route: Route = { proxyUrl: provider.proxyUrl, http2: snapshot.settings.http2 };
  const policy = {
    operation: request.operation,
    breakerCountsNetworkErrors: tools.breakerCountsNetworkErrors,
    matchRule: (text: string) => errorRulesOf(snapshot).match(text),
  };
  for (let number = 1; ; number++) {
    const result = await exchangeOnce(candidate, route, exchange, outcome, tools);
    const at = tools.clock.now();
    if (result.reply !== undefined) {
      outcome.succeeded(candidate, result.reply.status, isFirstAttempt(outcome, number), { number, at });
      return { answered: { reply: result.reply, candidate, prepared: result.prepared } };
    }
    const { failure } = result;
    const plainer = plainerRoute(route, failure, provider);
    if (plainer !== undefined) {
      outcome.fellBack(candidate, plainer.reason, { number, at });
      route = plainer.route;
      number--;
      continue;
    }
    const verdict = judge(failure, policy);
    outcome.failed(candidate, failure, verdict, { number, at });
    if (verdict.retrySame && number < limit && (await pause(exchange))) continue;
    report(tools.health, provider, failure, verdict);
    return { answered: undefined, failure, verdict };
  }
}

function isFirstAttempt(outcome: Outcome, number: number): boolean {
  return number === 1 && outcome.lastFailure === undefined;
}

function report(health: ProviderHealth, provider: Provider, failure: Failure, verdict: Verdict): void {
  if (verdict.countsForBreaker) health.failed(provider, failure.error.message);
  else health.abandoned(provider);
}

async function exchangeOnce(
  candidate: Candidate,
  route: Route,
  exchange: Exchange,
  outcome: Outcome,
  tools: AttemptTools,
): Promise<{ reply: Reply; prepared: PreparedRequest } | { reply: undefined; failure: Failure }> {
  const { provider } = candidate;
  const { request, caller } = outcome.start;
  if (exchange.clientGone) return { reply: undefined, failure: failureOf('client_gone', 499, 'the client closed the connection') };
  let prepared: PreparedRequest;
  try {
    prepared = prepareRequest(request, caller, provider, await tools.credentials.of(provider));
  } catch (error) {
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
