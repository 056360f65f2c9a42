import type { HoldOrder } from './store.ts';

/** The holds of this process's requests in flight, by slot: what is renewed, and written again into a store that lost them. */
export class LiveHolds {
  readonly #slots = new Map<string, Map<string, HoldOrder>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(hold: HoldOrder): void {
    let holds = this.#slots.get(hold.slot);
    if (holds === undefined) this.#slots.set(hold.slot, (holds = new Map()));
    if (!holds.has(hold.recordId)) this.#size += 1;
    holds.set(hold.recordId, hold);
  }

  remove(hold: HoldOrder): void {
    const holds = this.#slots.get(hold.slot);
    if (holds?.delete(hold.recordId) !== true) return;
    this.#size -= 1;
    if (holds.size === 0) this.#slots.delete(hold.slot);
  }

  ofSlot(slot: string): HoldOrder[] {
    return [...(this.#slots.get(slot)?.values() ?? [])];
  }

  slots(): string[] {
    return [...this.#slots.keys()];
  }
}
