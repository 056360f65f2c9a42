import { randomBytes } from 'node:crypto';
import type { Provider } from '@hub/contract';
import type { Hold, Limiter, Refusal, ReserveRequest, ReserveResult, Subject } from '@hub/limits';
import type { Caller } from './authenticate.ts';
import { budgetOf } from './budget.ts';
import type { Admitted } from './guards/guard.ts';
import { limitFault } from './limit-fault.ts';
import type { Plan } from './plan.ts';
import type { SessionId } from './request/session-id.ts';

/** Takes what a request needs of its caller's limits, and learns which provider its session used last: one round trip. */

export interface AdmissionTools {
  readonly limiter: Limiter;
  readonly affinity: Affinity;
  /** Conversations up to this length, whose id is in use, get an id of their own; 0 = never. */
  readonly shortContextMessages: number;
  /** How long a quiet session keeps its provider. */
  readonly sessionTtlMs: number;
}

export interface Admission {
  readonly hold: Hold;
  readonly plan: Plan;
  readonly sessionId: string;
  readonly sequence: number;
  /** The provider that this session is tied to. */
  readonly bound: number | undefined;
  readonly firstRefused: FirstRefused | undefined;
}

/** The candidate that the plan named first, refused by its own limits. */
export interface FirstRefused {
  readonly provider: Provider;
  readonly refusal: Refusal;
}

/**
 * @param planFor makes the plan, given the session's provider
 * @throws HubFault 402 or 429 if a limit of key or user is reached; nothing is taken then
 */
export async function admit(
  admitted: Admitted,
  recordId: string,
  session: SessionId,
  tools: AdmissionTools,
  planFor: (bound: number | undefined) => Plan,
): Promise<Admission> {
  const { request, caller, snapshot } = admitted;
  const now = request.arrivedAt;
  const sticky = request.messageCount > 1;
  // What this node remembers saves asking first and planning afterwards; Redis has the last word.
  const guess = sticky ? tools.affinity.get(caller.key.id, session.id) : undefined;
  const guessed = planFor(guess);
  const first = guessed.candidates[0];
  const { estimateNanos, minimumNanos, hard } = budgetOf(admitted, first?.provider);
  const result = await reserve(tools.limiter, {
    recordId,
    now,
    timeZone: snapshot.settings.timeZone,
    key: keySubject(caller, hard.key),
    user: userSubject(caller, hard.user),
    session: { id: session.id, alternativeId: alternativeFor(session, request.messageCount, tools.shortContextMessages) },
    estimateNanos,
    minimumNanos,
    provider: first === undefined ? undefined : providerSubject(first.provider),
  });
  if (!result.ok) throw limitFault(result.refusal, caller);
  const { hold } = result;
  const bound = sticky ? hold.session?.boundProvider : undefined;
  const refused = result.provider?.ok === false ? result.provider.refusal : undefined;
  // A plan that did not know of the used-up limit is made again, so that the decision on record is the one that was taken.
  const stands = bound === guess && refused?.unit !== 'nanos';
  return {
    hold,
    plan: stands ? guessed : planFor(bound),
    sessionId: hold.session?.id ?? session.id,
    sequence: hold.session?.sequence ?? 1,
    bound,
    firstRefused: first === undefined || refused === undefined ? undefined : { provider: first.provider, refusal: refused },
  };
}

/** Where there is no room for a session of its own, a helper call counts with the conversation that it helps. */
async function reserve(limiter: Limiter, wanted: ReserveRequest): Promise<ReserveResult> {
  const result = await limiter.reserve(wanted);
  const { session } = wanted;
  if (result.ok || result.refusal.limitType !== 'concurrent_sessions' || session?.alternativeId === undefined) return result;
  return limiter.reserve({ ...wanted, session: { id: session.id } });
}

/** v0.3.42's rule for short conversations: a client that runs several at once under one id means several sessions. */
function alternativeFor(session: SessionId, messageCount: number, threshold: number): string | undefined {
  if (session.source !== 'client' || messageCount > threshold) return undefined;
  return `sess_${randomBytes(16).toString('hex')}`;
}

function keySubject({ key }: Caller, hard: boolean): Subject {
  return { kind: 'key', id: key.id, rules: key.limits, hard };
}

function userSubject({ user }: Caller, hard: boolean): Subject {
  return { kind: 'user', id: user.id, rules: user.limits, rpm: user.rpm, hard };
}

export function providerSubject(provider: Provider): Subject {
  return { kind: 'provider', id: provider.id, rules: provider.limits, totalSince: provider.totalCostResetAt };
}

/** Which provider a session used last on this node. Bounded; a wrong guess costs a round trip, nothing else. */
export interface Affinity {
  get(keyId: number, sessionId: string): number | undefined;
  set(keyId: number, sessionId: string, providerId: number): void;
}

export function createAffinity(maximum = 50_000): Affinity {
  const bound = new Map<string, number>();
  return {
    get: (keyId, sessionId) => bound.get(`${keyId}:${sessionId}`),
    set(keyId, sessionId, providerId) {
      const name = `${keyId}:${sessionId}`;
      bound.delete(name);
      bound.set(name, providerId);
      if (bound.size > maximum) {
        const oldest = bound.keys().next();
        if (oldest.done !== true) bound.delete(oldest.value);
      }
    },
  };
}
