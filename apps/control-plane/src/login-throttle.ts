/**
 * Slows down whoever guesses keys at the login: so many failures per address and minute, then a pause until the minute is
 * over. Bounded: when too many addresses fail at once the oldest is forgotten.
 */
export class LoginThrottle {
  readonly #failures = new Map<string, { count: number; until: number }>();
  readonly #maxFailures: number;
  readonly #windowMs = 60_000;
  readonly #maxAddresses: number;

  constructor(maxFailures = 20, maxAddresses = 10_000) {
    this.#maxFailures = maxFailures;
    this.#maxAddresses = maxAddresses;
  }

  /** @returns ms to wait; 0 if a try is allowed */
  wait(address: string, now: number): number {
    const entry = this.#failures.get(address);
    if (entry === undefined || entry.until <= now || entry.count < this.#maxFailures) return 0;
    return entry.until - now;
  }

  failed(address: string, now: number): void {
    const entry = this.#failures.get(address);
    if (entry !== undefined && entry.until > now) {
      entry.count++;
      return;
    }
    this.#failures.delete(address);
    if (this.#failures.size >= this.#maxAddresses) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
    this.#failures.set(address, { count: 1, until: now + this.#windowMs });
  }
}
