import type { Usage } from '@hub/protocol';
import { recordId } from '@hub/service';
import { attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';
import { HubFault, toFault } from './faults.ts';
import type { Gateway } from './gateway.ts';
import type { Admitted } from './guards/guard.ts';
import { noProviderFault } from './no-provider.ts';
import { Outcome } from './outcome.ts';
import { type Plan, planCandidates } from './plan.ts';
import { relay, type RelayEnd } from './relay.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import { sessionIdOf } from './request/session-id.ts';
import { estimateUsage } from './tokens/estimate.ts';
import type { TokenCounter } from './tokens/token-counter.ts';
import { wantsContext1m } from './upstream/prepare.ts';
import type { Reply } from './upstream/reply.ts';

/** From an admitted request to its recorded end: plan, attempt, relay, record. */
export async function serve(exchange: Exchange, admitted: Admitted, gateway: Gateway): Promise<void> {
  const { request, caller, snapshot } = admitted;
  const session = sessionIdOf(request, caller);
  const plan = planCandidates(
    { format: request.format, model: request.model, wantsContext1m: wantsContext1m(request), caller, bound: undefined, canConvert: false },
    snapshot,
    gateway.stateOf,
    Math.random,
  );
  if (plan.candidates.length === 0) throw noProviderFault(plan, snapshot);
  if (!gateway.ledger.accepting) {
    throw new HubFault('not_ready', 'The hub cannot record usage right now (its disk is full) and admits no requests.', { headers: { 'retry-after': '10' } });
  }
  const outcome = new Outcome({ id: recordId(request.arrivedAt), request, caller, snapshot, sessionId: session.id, sequence: 1 });
  const recorded = request.operation !== 'count_tokens';
  if (recorded) await gateway.ledger.begin(outcome.beginRecord());
  await answer(exchange, plan, outcome, gateway, recorded);
}

async function answer(exchange: Exchange, plan: Plan, outcome: Outcome, gateway: Gateway, recorded: boolean): Promise<void> {
  const { request } = outcome.start;
  let end: RelayEnd;
  let reply: Reply;
  try {
    const answered = await attempt(plan, exchange, outcome, gateway.attemptTools);
    reply = answered.reply;
    end = await relay(reply, exchange, request, answered.candidate.provider.onClientAbort);
    conclude(gateway, answered.candidate.provider, end);
  } catch (error) {
    const fault = toFault(error);
    const last = outcome.lastFailure;
    if (recorded) await record(gateway, outcome, { status: last?.status ?? fault.status, error: last?.error ?? fault.message, answered: undefined });
    throw error;
  }
  const { failure } = end;
  const interrupted = failure !== undefined && failure.kind !== 'client_gone';
  const status = interrupted ? failure.status : reply.status;
  if (recorded) await record(gateway, outcome, { status, error: interrupted ? failure.error.message : undefined, answered: { reply, sample: end.sample } });
  gateway.metrics.requests.inc({ format: request.format, outcome: failure?.kind ?? 'ok', status: String(status) });
  end.finish();
}

/** What the provider's breaker learns from the end of an answer that had begun well. */
function conclude(gateway: Gateway, provider: Parameters<Gateway['attemptTools']['health']['failed']>[0], { failure }: RelayEnd): void {
  const { health } = gateway.attemptTools;
  if (failure === undefined) health.succeeded(provider);
  else if (failure.kind === 'client_gone') health.abandoned(provider);
  else health.failed(provider, failure.error.message);
}

async function record(
  gateway: Gateway,
  outcome: Outcome,
  end: { status: number; error: string | undefined; answered: { reply: Reply; sample: string } | undefined },
): Promise<void> {
  const { request } = outcome.start;
  const endedAt = gateway.clock.now();
  const counted = end.answered === undefined ? undefined : await countedUsage(request, end.answered, gateway.tokenCounter);
  await gateway.ledger.end(
    outcome.end({ status: end.status, endedAt, usage: counted?.usage, usageEstimated: counted?.estimated ?? false, error: end.error }),
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
