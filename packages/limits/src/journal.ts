import type { SettleOrder } from './store.ts';

/**
 * Settlements in order, the oldest first, bounded by number and age. What falls out is told to `onDropped`.
 */
export class Journal {
  readonly #entries: SettleOrder[] = [];
  #head = 0;
  readonly #most: number;
  readonly #keepMs: number;
  readonly #onDropped: ((order: SettleOrder) => void) | undefined;

  /** @param keepMs older entries are dropped when new ones come; Infinity = age does not matter */
  constructor(most: number, keepMs: number, onDropped?: (order: SettleOrder) => void) {
    this.#most = most;
    this.#keepMs = keepMs;
    this.#onDropped = onDropped;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }

  push(order: SettleOrder): void {
    this.#entries.push(order);
    const oldest = order.position.now - this.#keepMs;
    while (this.size > this.#most || (this.#entries[this.#head]?.position.now ?? oldest) < oldest) {
      const [dropped] = this.take(1);
      if (dropped !== undefined) this.#onDropped?.(dropped);
    }
  }

  /** Removes up to `count` of the oldest. */
  take(count: number): SettleOrder[] {
    const end = Math.min(this.#head + count, this.#entries.length);
    const taken = this.#entries.slice(this.#head, end);
    this.#head = end;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return taken;
  }

  /** Puts back what `take` gave, in front. */
  putBack(orders: readonly SettleOrder[]): void {
    this.#entries.splice(0, this.#head, ...orders);
    this.#head = 0;
  }

  /** A copy, of one slot or of all. */
  list(slot?: string): SettleOrder[] {
    const entries = this.#entries.slice(this.#head);
    return slot === undefined ? entries : entries.filter(({ hold }) => hold.slot === slot);
  }
}
