/** What is true right now and lies in the state that the data planes share, not in the database. */
export interface LiveState {
  /** Running sessions by id; an id that is not in the answer has none. */
  concurrentSessions(kind: 'key' | 'user' | 'provider', ids: readonly number[]): Promise<ReadonlyMap<number, number>>;
  /** Breakers that are not in their first state, by provider id. */
  breakers(providerIds: readonly number[]): Promise<ReadonlyMap<number, BreakerState>>;
  /** Closes the breaker and forgets its failures. Unknown ids are fine. */
  resetBreaker(providerId: number): Promise<void>;
}

export interface BreakerState {
  readonly circuitState: 'closed' | 'open' | 'half-open';
  readonly failureCount: number;
  /** Epoch ms. */
  readonly lastFailureTime: number | null;
  /** Epoch ms. */
  readonly circuitOpenUntil: number | null;
}

export const closedBreaker: BreakerState = { circuitState: 'closed', failureCount: 0, lastFailureTime: null, circuitOpenUntil: null };

/** Without Redis every data plane keeps its state to itself: nothing is known here. */
export const noLiveState: LiveState = {
  concurrentSessions: async () => new Map(),
  breakers: async () => new Map(),
  resetBreaker: async () => {},
};
