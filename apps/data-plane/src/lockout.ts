import { HubFault } from './faults.ts';

/** Who guesses keys is shut out for a while: per address, in bounded memory. */
export interface Lockout {
  /** @throws HubFault 429 while the address is shut out */
  check(address: string, now: number): void;
  /** A credential that was sent and is not valid. */
  failed(address: string, now: number): void;
}

export interface LockoutOptions {
  readonly failures: number;
  readonly withinMs: number;
  readonly lockedMs: number;
  /** Addresses remembered at the same time; the one that failed longest ago is forgotten first. */
  readonly addresses: number;
}

/** 20 failures in 5 minutes shut out for 10. */
export const defaultLockout: LockoutOptions = { failures: 20, withinMs: 300_000, lockedMs: 600_000, addresses: 10_000 };

interface Entry {
  count: number;
  since: number;
  lockedUntil: number;
}

export function createLockout(options: LockoutOptions = defaultLockout): Lockout {
  const entries = new Map<string, Entry>();
  return {
    check(address, now) {
      const entry = entries.get(address);
      if (entry === undefined || entry.lockedUntil <= now) return;
      const seconds = Math.ceil((entry.lockedUntil - now) / 1000);
      throw new HubFault('too_many_failed_logins', `Too many requests with wrong API keys came from this address. Please wait ${seconds} seconds.`, {
        headers: { 'retry-after': String(seconds) },
      });
    },
    failed(address, now) {
      const known = entries.get(address);
      const entry = known !== undefined && now - known.since < options.withinMs ? known : { count: 0, since: now, lockedUntil: 0 };
      entry.count++;
      if (entry.count >= options.failures) {
        entry.lockedUntil = now + options.lockedMs;
        entry.count = 0;
        entry.since = now;
      }
      // Deleting first moves the address to the young end of the map's order.
      entries.delete(address);
      entries.set(address, entry);
      if (entries.size > options.addresses) {
        const oldest = entries.keys().next();
        if (oldest.done !== true) entries.delete(oldest.value);
      }
    },
  };
}
