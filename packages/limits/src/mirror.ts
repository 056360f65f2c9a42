import type { Position, Seed, Standing } from './store.ts';
import { bucketOf, DAY_BUCKET_MS, FIVE_HOUR_BUCKET_MS } from './window.ts';

const MOST_SUBJECTS = 20_000;

interface Seen {
  readonly standing: Standing;
  readonly position: Position;
  readonly dayStart: number;
}

/**
 * The last numbers that this node has seen of each subject: what it goes on with when the place that keeps them is gone.
 * The least recently seen of more than 20,000 subjects is forgotten.
 */
export class Mirror {
  readonly #seen = new Map<string, Seen>();

  note(slot: string, tag: string, seen: Seen): void {
    const name = `${slot} ${tag}`;
    this.#seen.delete(name);
    this.#seen.set(name, seen);
    if (this.#seen.size <= MOST_SUBJECTS) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      break;
    }
  }

  /** How old the numbers of a subject are, ms; Infinity = none. */
  ageOf(slot: string, tag: string, now: number): number {
    const seen = this.#seen.get(`${slot} ${tag}`);
    return seen === undefined ? Number.POSITIVE_INFINITY : now - seen.position.now;
  }

  /**
   * Those numbers as a seed for `now`; zeros if there are none. Windows that have ended since begin at zero. Rolling sums
   * go into the newest bucket they can be of: they leave late rather than early.
   */
  seedFor(slot: string, tag: string, at: { position: Position; dayStart: number; rolling: boolean; signature: string }): Seed {
    const { position, dayStart } = at;
    const seen = this.#seen.get(`${slot} ${tag}`);
    const of = (nanos: bigint | undefined, sameWindow: boolean): bigint => (sameWindow ? (nanos ?? 0n) : 0n);
    const standing = seen?.standing;
    const seenAt = seen?.position.now ?? 0;
    const bucket = (nanos: bigint | undefined, bucketMs: number) =>
      nanos === undefined || nanos === 0n ? [] : [{ bucket: bucketOf(seenAt, bucketMs), nanos }];
    return {
      signature: at.signature,
      rolling: at.rolling,
      recentSince: 0,
      provisionalUntil: 0,
      total: standing?.total ?? 0n,
      week: { start: position.weekStart, nanos: of(standing?.weekly, seen?.position.weekStart === position.weekStart) },
      month: { start: position.monthStart, nanos: of(standing?.monthly, seen?.position.monthStart === position.monthStart) },
      day: { start: dayStart, nanos: of(standing?.daily, seen?.dayStart === dayStart && !at.rolling) },
      fiveHourBuckets: bucket(standing?.fiveHour, FIVE_HOUR_BUCKET_MS),
      dayBuckets: at.rolling ? bucket(standing?.daily, DAY_BUCKET_MS) : [],
      recent: [],
    };
  }
}
