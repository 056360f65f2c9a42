import type { HoldOrder, SettleOrder } from './store.ts';
import { settleOrder } from './orders.ts';
import type { Subject } from './subject.ts';
import type { Calendar } from './window.ts';

export interface JournalOptions<T> {
  /** Most entries kept; then the oldest is dropped. */
  readonly most: number;
  /** Older entries are dropped when new ones come. Unset = age does not matter. */
  readonly keepMs?: number;
  /** Epoch ms of an entry. */
  readonly timeOf: (entry: T) => number;
  readonly onDropped?: (entry: T) => void;
}

/** What happened, the oldest first, bounded by number and age. */
export class Journal<T> {
  readonly #options: JournalOptions<T>;
  #entries: T[] = [];
  #head = 0;

  constructor(options: JournalOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }

  push(entry: T): void {
    const { most, keepMs = Number.POSITIVE_INFINITY, timeOf, onDropped } = this.#options;
    this.#entries.push(entry);
    const oldest = timeOf(entry) - keepMs;
    for (;;) {
      const first = this.#entries[this.#head];
      if (first === undefined || (this.size <= most && timeOf(first) >= oldest)) return;
      this.take(1);
      onDropped?.(first);
    }
  }

  /** Removes up to `count` of the oldest. */
  take(count: number): T[] {
    const end = Math.min(this.#head + count, this.#entries.length);
    const taken = this.#entries.slice(this.#head, end);
    this.#head = end;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  /** Puts back what `take` gave, in front. */
  putBack(entries: readonly T[]): void {
    this.#entries = [...entries, ...this.#entries.slice(this.#head)];
    this.#head = 0;
  }

  list(): T[] {
    return this.#entries.slice(this.#head);
  }
}

/** A settlement as it is remembered for some seconds, cheaply: the order is made again when it is needed. */
export interface Settled {
  readonly hold: HoldOrder;
  readonly subjects: readonly Subject[];
  readonly calendar: Calendar;
  readonly nanos: bigint;
  readonly startedAt: number;
  readonly settledAt: number;
}

export type RecentSettlements = Journal<Settled>;

export function orderAgain({ hold, subjects, calendar, nanos, startedAt, settledAt }: Settled): SettleOrder {
  return settleOrder(hold, subjects, { nanos, startedAt, sessionIdleMs: 0 }, { now: settledAt, calendar });
}
