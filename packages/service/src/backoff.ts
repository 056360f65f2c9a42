/** Waiting times between attempts: doubling, capped, with full jitter so that many nodes do not come back at once. */
export interface Backoff {
  /** The next wait in ms. */
  next(): number;
  reset(): void;
}

/**
 * @param minimumMs first wait
 * @param maximumMs cap of the wait
 * @param random    a number in [0, 1)
 */
export function backoff(minimumMs: number, maximumMs: number, random: () => number = Math.random): Backoff {
  let attempt = 0;
  return {
    next() {
      const ceiling = Math.min(maximumMs, minimumMs * 2 ** attempt);
      if (ceiling < maximumMs) attempt++;
      return Math.round(minimumMs + random() * (ceiling - minimumMs));
    },
    reset() {
      attempt = 0;
    },
  };
}
