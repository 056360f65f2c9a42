import type { Position, Seed, Standing } from './store.ts';
import { bucketOf, DAY_BUCKET_MS, FIVE_HOUR_BUCKET_MS } from './window.ts';

/** A rolling window: buckets and their sum. At most as many buckets as the window has, because old ones leave on reading. */
class RollingSum {
  readonly #buckets = new Map<number, bigint>();
  #sum = 0n;
  #low = Number.NEGATIVE_INFINITY;

  sum(low: number): bigint {
    if (low > this.#low) {
      for (const [bucket, nanos] of this.#buckets) {
        if (bucket >= low) continue;
        this.#buckets.delete(bucket);
        this.#sum -= nanos;
      }
      this.#low = low;
    }
    return this.#sum;
  }

  add(bucket: number, nanos: bigint): void {
    if (bucket < this.#low) return;
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0n) + nanos);
    this.#sum += nanos;
  }
}

/** A calendar window: where it began and what was spent since. */
class CalendarSum {
  #start: number;
  #nanos: bigint;

  constructor(start: number, nanos: bigint) {
    this.#start = start;
    this.#nanos = nanos;
  }

  sum(start: number): bigint {
    return this.#start >= start ? this.#nanos : 0n;
  }

  add(start: number, nanos: bigint): void {
    if (start > this.#start) {
      this.#start = start;
      this.#nanos = nanos;
    } else if (start === this.#start) {
      this.#nanos += nanos;
    }
  }
}

/** Where the windows of one request began. */
export interface Starts {
  readonly week: number;
  readonly month: number;
  readonly day: number;
}

/** What one subject has spent in all its windows. */
export class SpendCounter {
  readonly signature: string;
  readonly provisionalUntil: number;
  readonly recentSince: number;
  #total: bigint;
  readonly #week: CalendarSum;
  readonly #month: CalendarSum;
  readonly #day: CalendarSum | RollingSum;
  readonly #fiveHour = new RollingSum();

  constructor(seed: Seed) {
    this.signature = seed.signature;
    this.provisionalUntil = seed.provisionalUntil;
    this.recentSince = seed.recentSince;
    this.#total = seed.total;
    this.#week = new CalendarSum(seed.week.start, seed.week.nanos);
    this.#month = new CalendarSum(seed.month.start, seed.month.nanos);
    for (const { bucket, nanos } of seed.fiveHourBuckets) this.#fiveHour.add(bucket, nanos);
    if (seed.rolling) {
      this.#day = new RollingSum();
      for (const { bucket, nanos } of seed.dayBuckets) this.#day.add(bucket, nanos);
    } else {
      this.#day = new CalendarSum(seed.day.start, seed.day.nanos);
    }
  }

  spent(position: Position, dayStart: number): Standing {
    return {
      total: this.#total,
      fiveHour: this.#fiveHour.sum(position.fiveHourLow),
      daily: this.#day instanceof RollingSum ? this.#day.sum(position.dayLow) : this.#day.sum(dayStart),
      weekly: this.#week.sum(position.weekStart),
      monthly: this.#month.sum(position.monthStart),
    };
  }

  add(nanos: bigint, startedAt: number, starts: Starts): void {
    this.#total += nanos;
    this.#week.add(starts.week, nanos);
    this.#month.add(starts.month, nanos);
    this.#fiveHour.add(bucketOf(startedAt, FIVE_HOUR_BUCKET_MS), nanos);
    if (this.#day instanceof RollingSum) this.#day.add(bucketOf(startedAt, DAY_BUCKET_MS), nanos);
    else this.#day.add(starts.day, nanos);
  }
}
