import type { Usage } from '@hub/protocol';
import { recordId } from '@hub/service';
import type { Hold } from '@hub/limits';
import { admit } from './admission.ts';
import { type Answered, attempt, type AttemptContext } from './attempt.ts';
import { countTokens } from './count-tokens.ts';
import type { Exchange } from './exchange.ts';
import { HubFault, toFault } from './faults.ts';
import type { Gateway } from './gateway.ts';
import type { Admitted } from './guards/guard.ts';
import { noProviderFault } from './no-provider.ts';
import { Outcome } from './outcome.ts';
import { planCandidates } from './plan.ts';
import { relay, type RelayEnd } from './relay.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import { sessionIdOf } from './request/session-id.ts';
import { estimateUsage } from './tokens/estimate.ts';
import type { TokenCounter } from './tokens/token-counter.ts';
import { wantsContext1m } from './upstream/prepare.ts';
import type { Reply } from './upstream/reply.ts';

/** From an admitted request to its recorded end: limits, plan, attempt, relay, settle, record. */
export async function serve(exchange: Exchange, admitted: Admitted, gateway: Gateway): Promise<void> {
  const { request, caller, snapshot } = admitted;
  if (!gateway.ledger.accepting) {
    throw new HubFault('not_ready', 'The hub cannot record usage right now (its disk is full) and admits no requests.', { headers: { 'retry-after': '10' } });
  }
  const id = recordId(request.arrivedAt);
  const session = sessionIdOf(request, caller);
  const canConvert = snapshot.settings.formatConversion && request.operation === 'generate';
  const facts = { format: request.format, model: request.model, wantsContext1m: wantsContext1m(request), caller };
  const planFor = (bound: number | undefined) => planCandidates({ ...facts, bound, canConvert }, snapshot, gateway.stateOf, Math.random);
  if (request.operation === 'count_tokens') {
    const outcome = new Outcome({ id, request, caller, snapshot, sessionId: session.id, sequence: 1 });
    const context = { exchange, outcome, plan: planFor(undefined), hold: undefined, firstRefused: undefined, bound: undefined };
    return countTokens(context, gateway, () => answer(context, gateway));
  }
  const admission = await admit(admitted, id, session, gateway.admissionTools, planFor);
  const { plan, hold, sessionId, sequence, firstRefused } = admission;
  if (plan.candidates.length === 0) {
    gateway.background('release', hold.release(gateway.clock.now()));
    throw noProviderFault(plan, snapshot);
  }
  const outcome = new Outcome({ id, request, caller, snapshot, sessionId, sequence });
  noteSession(gateway, outcome, 'in_progress');
  await gateway.ledger.begin(outcome.beginRecord());
  return answer({ exchange, outcome, plan, hold, firstRefused, bound: admission.bound }, gateway);
}

async function answer(context: AttemptContext, gateway: Gateway): Promise<void> {
  const { exchange, outcome, hold, bound } = context;
  const { request } = outcome.start;
  let end: RelayEnd;
  let answered: Answered;
  try {
    answered = await attempt(context, gateway.attemptTools);
    const { candidate, prepared, reply } = answered;
    const { conversion, hideUsage } = prepared;
    if (hold !== undefined) noteSession(gateway, outcome, 'in_progress');
    end = await relay(reply, exchange, { request, conversion, hideUsage, onClientAbort: candidate.provider.onClientAbort });
    conclude(gateway, answered, end);
  } catch (error) {
    if (hold !== undefined) await concludeUnserved(gateway, outcome, hold, toFault(error));
    throw error;
  }
  const { failure } = end;
  const interrupted = failure !== undefined && failure.kind !== 'client_gone';
  const status = interrupted ? failure.status : answered.reply.status;
  if (hold !== undefined) {
    const error = interrupted ? failure.error.message : undefined;
    await record(gateway, outcome, { status, error, answered: { reply: answered.reply, sample: end.sample } });
    settle(gateway, outcome, { hold, answered, bound });
  }
  gateway.metrics.requests.inc({ format: request.format, outcome: failure?.kind ?? 'ok', status: String(status) });
  end.finish();
}

/**
 * Nobody served it, and so it has cost nothing, except when the client left an upstream that had already begun to count:
 * that is billed, though no byte of it was shown.
 */
async function concludeUnserved(gateway: Gateway, outcome: Outcome, hold: Hold, fault: HubFault): Promise<void> {
  const last = outcome.lastFailure;
  try {
    await record(gateway, outcome, { status: last?.status ?? fault.status, error: last?.error ?? fault.message, answered: undefined, usage: last?.usage });
  } finally {
    const nanos = outcome.cost?.nanos ?? 0n;
    const now = gateway.clock.now();
    gateway.background('release', nanos > 0n ? hold.settle({ nanos, now }) : hold.release(now));
  }
}

/** What the provider's breaker learns from the end of an answer that had begun well. */
function conclude(gateway: Gateway, { permit }: Answered, { failure }: RelayEnd): void {
  const now = gateway.clock.now();
  if (failure === undefined) permit.success(now);
  else if (failure.kind === 'client_gone') permit.release(now);
  else permit.failure(now);
}

/** The real cost replaces what was reserved, and the session is tied to who served it. Nobody waits for it. */
function settle(gateway: Gateway, outcome: Outcome, served: { hold: Hold; answered: Answered; bound: number | undefined }): void {
  const { hold, answered, bound } = served;
  const providerId = answered.candidate.provider.id;
  const { caller, sessionId } = outcome.start;
  const rule = answered.failedOver || (bound !== undefined && bound !== providerId) ? 'overwrite' : 'absent';
  gateway.admissionTools.affinity.set(caller.key.id, sessionId, providerId);
  const binding = { providerId, rule, ttlMs: bindingTtlMs(answered, gateway) } as const;
  gateway.background('settle', hold.settle({ nanos: outcome.cost?.nanos ?? 0n, now: gateway.clock.now(), binding }));
}

/** Anthropic's long prompt cache lives for an hour. ms */
const longCacheMs = 3_600_000;

/** A session stays with its provider at least as long as that keeps its prompt: to move means to pay for it again. */
function bindingTtlMs({ reply, prepared }: Answered, { admissionTools }: Gateway): number {
  const longCache = prepared.cacheTtl === '1h' || (reply.watcher.usage?.cacheWrite1h ?? 0) > 0;
  return Math.max(admissionTools.sessionTtlMs, longCache ? longCacheMs : 0);
}

/** Keeps the list of active sessions that admins see. */
function noteSession(gateway: Gateway, outcome: Outcome, status: 'in_progress' | 'completed' | 'error'): void {
  const { request, caller, sessionId } = outcome.start;
  gateway.sessions.touch({
    userId: caller.user.id,
    keyId: caller.key.id,
    sessionId,
    userName: caller.user.name,
    keyName: caller.key.name,
    model: request.model ?? '',
    apiType: request.format === 'response' ? 'codex' : 'chat',
    providerId: outcome.provider?.id,
    providerName: outcome.provider?.name ?? '',
    status,
  });
}

async function record(
  gateway: Gateway,
  outcome: Outcome,
  end: { status: number; error: string | undefined; answered: { reply: Reply; sample: string } | undefined; usage?: Usage | undefined },
): Promise<void> {
  const { request } = outcome.start;
  const endedAt = gateway.clock.now();
  const counted = end.answered === undefined ? { usage: end.usage, estimated: false } : await countedUsage(request, end.answered, gateway.tokenCounter);
  noteSession(gateway, outcome, end.status >= 400 ? 'error' : 'completed');
  await gateway.ledger.end(
    outcome.end({ status: end.status, endedAt, usage: counted.usage, usageEstimated: counted.estimated, error: end.error }),
  );
  gateway.metrics.duration.observe({ format: request.format }, (endedAt - request.arrivedAt) / 1000);
}

/** What the upstream reported; where it reported nothing or not the last word on an answer of a model, an estimate. */
async function countedUsage(
  request: ProxyRequest,
  { reply: { watcher }, sample }: { reply: Reply; sample: string },
  counter: TokenCounter,
): Promise<{ usage: Usage | undefined; estimated: boolean }> {
  const complete = watcher.usage !== undefined && watcher.usageFinal;
  if (complete || request.operation !== 'generate' || !watcher.contentSeen) return { usage: watcher.usage, estimated: false };
  return { usage: await estimateUsage(request, watcher, sample, counter), estimated: true };
}
