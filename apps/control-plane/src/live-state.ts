import type { BreakerPhase, BreakerRules, SessionFilter, SessionInfo, SessionRef, Subject } from '@hub/limits';

/** What is true right now and lies in the state that the data planes share, not in the database. Nothing here rejects. */
export interface LiveState {
  /** Sessions and spending, from the counters that requests are checked against. */
  standing(subject: LiveSubject): Promise<LiveStanding>;
  /** The breakers of these providers, by provider id. One that is not in the answer is in its first state. */
  breakers(rules: ReadonlyMap<number, BreakerRules>): Promise<ReadonlyMap<number, BreakerState>>;
  /** Closes the breaker on all data planes and forgets its failures. Unknown ids are fine. */
  resetBreaker(providerId: number): Promise<void>;
  /** Active sessions, the latest first. */
  sessions(filter: SessionFilter): Promise<readonly SessionInfo[]>;
  /** Forgets a session; its requests in flight go on. False if it was not known. */
  terminateSession(session: SessionRef): Promise<boolean>;
  /** There is shared state, but it does not answer now: what should be changed in it cannot be. */
  unreachable(): Promise<boolean>;
  close(): Promise<void>;
}

/** A key is found beside its user. */
export type LiveSubject = Omit<Subject, 'kind'> & ({ readonly kind: 'user' } | { readonly kind: 'provider' } | { readonly kind: 'key'; readonly userId: number });

export interface LiveStanding {
  /** 0 if nothing is known. */
  readonly sessions: number;
  /** USD; undefined = not counted at the moment, so only the database can tell. */
  readonly spent: Spent | undefined;
}

export interface Spent {
  readonly fiveHour: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly total: number;
}

export interface BreakerState {
  readonly circuitState: BreakerPhase;
  readonly failureCount: number;
  /** Epoch ms. */
  readonly lastFailureTime: number | null;
  /** Epoch ms; null unless it is open. */
  readonly circuitOpenUntil: number | null;
}

export const closedBreaker: BreakerState = { circuitState: 'closed', failureCount: 0, lastFailureTime: null, circuitOpenUntil: null };

/** Without Redis every data plane keeps its state to itself: nothing is known here. */
export const noLiveState: LiveState = {
  standing: async () => ({ sessions: 0, spent: undefined }),
  breakers: async () => new Map(),
  resetBreaker: async () => {},
  sessions: async () => [],
  terminateSession: async () => false,
  unreachable: async () => false,
  close: async () => {},
};
