import type { Clock } from '@hub/service';

/** A clock that only the test turns. */
export interface FakeClock extends Clock {
  advance(milliseconds: number): void;
  set(epochMs: number): void;
}

/** @param start epoch ms; unset: an ordinary Tuesday, 2026-11-24T08:00:00Z */
export function fakeClock(start: number = Date.UTC(2026, 10, 24, 8)): FakeClock {
  let now = start;
  return {
    now: () => now,
    advance(milliseconds) {
      now += milliseconds;
    },
    set(epochMs) {
      now = epochMs;
    },
  };
}
