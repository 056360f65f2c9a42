import { setTimeout as wait } from 'node:timers/promises';
import { backoff } from '@hub/service';
import type { Clock, Logger } from '@hub/service';
import { Journal, orderAgain } from './journal.ts';
import type { RecentSettlements } from './journal.ts';
import type { LiveHolds } from './live-holds.ts';
import { MemoryStore } from './memory-store.ts';
import type {
  BindingOrder,
  ClaimOrder,
  Heartbeat,
  HoldOrder,
  LimitStore,
  PeekAnswer,
  PeekOrder,
  ReserveAnswer,
  ReserveOrder,
  SeedOrder,
  SettleAnswer,
  SettleOrder,
} from './store.ts';

/** `shared`: limits are kept in Redis, with all nodes. `local`: Redis is away, this node enforces its share in memory. */
export type Mode = 'shared' | 'local';

export interface FailoverOptions {
  readonly shared: LimitStore;
  readonly holds: LiveHolds;
  /** What this node has settled lately: told again to a Redis that has lost its memory. */
  readonly recent: RecentSettlements;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
  /** What a silent Redis may cost a request, once; ms. */
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** Settlements kept for a Redis that is away; then the oldest are left to the database. */
  readonly mostJournaled: number;
  /** Drops a connection that is open but silent. */
  readonly reconnect?: (() => void) | undefined;
}

const HAND_BACK_BATCH = 200;
/** What handing back may wait for one answer, and how long a probe may stay unanswered before the connection is dropped. */
const STEP_TIMEOUT_MS = 2000;
const PROBE_TIMEOUT_MS = 10_000;
const PROBE_MS = { first: 50, most: 1000 };

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: unknown };

/**
 * Redis, or this node's memory while Redis refuses, hangs or fails. Never rejects and never waits longer than
 * `timeoutMs`: the first call that gets no answer sends everybody to memory, so a frozen Redis delays each request at
 * most once. A probe in the background waits for Redis to come back; then it is told what is in flight and what was
 * settled meanwhile (twice does no harm: settlements are known by record id), and only then used again.
 */
export class FailoverStore implements LimitStore {
  readonly #options: FailoverOptions;
  readonly #journal: Journal<SettleOrder>;
  readonly #forget = new Map<string, { slot: string; tag: string }>();
  readonly #listeners = new Set<(mode: Mode) => void>();
  readonly #waiting = new Set<(reason: unknown) => void>();
  #local: MemoryStore | undefined;
  /** The slot that got no answer: of a Cluster, its node must answer before the whole is trusted again. */
  #suspect: string | undefined;
  #nodes = 1;
  #closed = false;

  constructor(options: FailoverOptions) {
    this.#options = options;
    this.#journal = new Journal({
      most: options.mostJournaled,
      timeOf: ({ position }) => position.now,
      onDropped: (order) => this.#leaveToDatabase(order),
    });
  }

  get mode(): Mode {
    return this.#local === undefined ? 'shared' : 'local';
  }

  /** Living nodes when Redis last said so: what a share is a share of. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Settlements that wait for Redis. */
  get journaled(): number {
    return this.#journal.size;
  }

  onModeChange(listener: (mode: Mode) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  reserve(order: ReserveOrder): Promise<ReserveAnswer> {
    return this.#run(order.slot, (store) => store.reserve(order));
  }

  async settle(order: SettleOrder): Promise<SettleAnswer> {
    if (this.#local === undefined) {
      const outcome = await this.#bounded(this.#options.shared.settle(order), this.#options.timeoutMs);
      if (outcome.ok) return outcome.value;
      this.#leave(outcome.reason, order.hold.slot);
    }
    this.#journal.push(order);
    return this.#memory().settle(order);
  }

  renew(slot: string, holds: readonly HoldOrder[], now: number, leaseUntil: number): Promise<void> {
    return this.#run(slot, (store) => store.renew(slot, holds, now, leaseUntil));
  }

  claim(order: ClaimOrder): Promise<'yours' | 'busy' | 'warm'> {
    return this.#run(order.slot, (store) => store.claim(order));
  }

  seed(order: SeedOrder): Promise<'seeded' | 'lost'> {
    return this.#run(order.slot, (store) => store.seed(order));
  }

  forget(slot: string, tag: string): Promise<void> {
    return this.#run(slot, (store) => store.forget(slot, tag));
  }

  peek(order: PeekOrder): Promise<PeekAnswer> {
    return this.#run(order.slot, (store) => store.peek(order));
  }

  bind(slot: string, member: string, binding: BindingOrder, now: number): Promise<void> {
    return this.#run(slot, (store) => store.bind(slot, member, binding, now));
  }

  terminate(slot: string, member: string): Promise<void> {
    return this.#run(slot, (store) => store.terminate(slot, member));
  }

  async heartbeat(nodeId: string, now: number, until: number): Promise<Heartbeat> {
    if (this.#local !== undefined) return { nodes: this.#nodes, forgotten: false };
    const outcome = await this.#bounded(this.#options.shared.heartbeat(nodeId, now, until), this.#options.timeoutMs);
    if (!outcome.ok) {
      this.#leave(outcome.reason);
      return { nodes: this.#nodes, forgotten: false };
    }
    this.#nodes = outcome.value.nodes;
    if (outcome.value.forgotten) {
      await this.#reassertAll((work) => this.#bounded(work, STEP_TIMEOUT_MS)).catch((error: unknown) => this.#leave(error));
    }
    return outcome.value;
  }

  close(): void {
    this.#closed = true;
  }

  #memory(): MemoryStore {
    return this.#local ?? this.#leave(new Error('closed'));
  }

  async #run<T>(slot: string, work: (store: LimitStore) => Promise<T>): Promise<T> {
    if (this.#local === undefined) {
      const outcome = await this.#bounded(work(this.#options.shared), this.#options.timeoutMs);
      if (outcome.ok) return outcome.value;
      this.#leave(outcome.reason, slot);
    }
    return work(this.#memory());
  }

  /** An answer, a failure, or the end of the wait: because time is up, or because others found Redis gone. */
  #bounded<T>(work: Promise<T>, timeoutMs: number): Promise<Outcome<T>> {
    return new Promise((resolve) => {
      const finish = (outcome: Outcome<T>): void => {
        clearTimeout(timer);
        this.#waiting.delete(abandon);
        resolve(outcome);
      };
      const abandon = (reason: unknown): void => finish({ ok: false, reason });
      // After a long turn of this process the answer may be waiting in the socket: look there first.
      const timer = setTimeout(() => setImmediate(abandon, new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      this.#waiting.add(abandon);
      work.then(
        (value) => finish({ ok: true, value }),
        (reason: unknown) => abandon(reason),
      );
    });
  }

  #leave(reason: unknown, slot?: string): MemoryStore {
    if (this.#local !== undefined) return this.#local;
    this.#suspect = slot;
    const { holds, clock, log, leaseMs } = this.#options;
    const now = clock.now();
    // Numbers of sessions go on from the seconds of the epoch: higher than any that Redis has given.
    const local = new MemoryStore({ weight: () => this.#nodes, sequenceBase: Math.floor(now / 1000) % 1_000_000_000 });
    this.#local = local;
    log.warn({ err: reason, nodes: this.#nodes }, 'Redis does not answer: limits go on in memory with a share of them');
    for (const abandon of this.#waiting) abandon(reason);
    for (const held of holds.slots()) void local.renew(held, holds.ofSlot(held), now, now + leaseMs);
    this.#tell('local');
    void this.#comeBack();
    return local;
  }

  #tell(mode: Mode): void {
    for (const listener of this.#listeners) listener(mode);
  }

  async #comeBack(): Promise<void> {
    const { log } = this.#options;
    const pause = backoff(PROBE_MS.first, PROBE_MS.most);
    const since = performance.now();
    while (!this.#closed) {
      await wait(pause.next(), undefined, { ref: false });
      if (this.#closed) return;
      try {
        await this.#handBack();
        log.info({ awayMs: Math.round(performance.now() - since) }, 'Redis is back: limits are shared again');
        return;
      } catch (error) {
        log.debug({ err: error }, 'Redis is still away');
      }
    }
  }

  async #handBack(): Promise<void> {
    const { shared, clock, nodeId, heartbeatMs, reconnect } = this.#options;
    const now = clock.now();
    const probe = await this.#bounded(shared.heartbeat(nodeId, now, now + 3 * heartbeatMs), PROBE_TIMEOUT_MS);
    if (!probe.ok) {
      reconnect?.();
      throw probe.reason;
    }
    this.#nodes = probe.value.nodes;
    const step = <T>(work: Promise<T>) => this.#bounded(work, STEP_TIMEOUT_MS);
    if (this.#suspect !== undefined) mustHaveWorked(await step(shared.renew(this.#suspect, [], now, now)));
    if (probe.value.forgotten) await this.#reassertAll(step);
    else await this.#renewAll(step);
    while (this.#journal.size > 0) {
      const batch = this.#journal.take(HAND_BACK_BATCH);
      const done = await step(Promise.all(batch.map((order) => shared.settle(order))));
      if (done.ok) continue;
      this.#journal.putBack(batch);
      throw done.reason;
    }
    for (const [name, { slot, tag }] of this.#forget) {
      mustHaveWorked(await step(shared.forget(slot, tag)));
      this.#forget.delete(name);
    }
    this.#local = undefined;
    this.#tell('shared');
    // Requests that were admitted while the above was under way.
    void this.#renewAll(step).catch(() => {});
  }

  async #renewAll(step: <T>(work: Promise<T>) => Promise<Outcome<T>>): Promise<void> {
    const { shared, holds, clock, leaseMs } = this.#options;
    const now = clock.now();
    const renewals = holds.slots().map((slot) => shared.renew(slot, holds.ofSlot(slot), now, now + leaseMs));
    mustHaveWorked(await step(Promise.all(renewals)));
  }

  async #reassertAll(step: <T>(work: Promise<T>) => Promise<Outcome<T>>): Promise<void> {
    await this.#renewAll(step);
    const recent = this.#options.recent.list().map(orderAgain);
    for (let at = 0; at < recent.length; at += HAND_BACK_BATCH) {
      const batch = recent.slice(at, at + HAND_BACK_BATCH);
      mustHaveWorked(await step(Promise.all(batch.map((order) => this.#options.shared.settle(order)))));
    }
  }

  /** Too much was settled while Redis was away: these subjects' counters are rebuilt from the database instead. */
  #leaveToDatabase({ hold, spent }: SettleOrder): void {
    if (spent === undefined) return;
    for (const tag of hold.tags) this.#forget.set(`${hold.slot} ${tag}`, { slot: hold.slot, tag });
  }
}

function mustHaveWorked(outcome: Outcome<unknown>): void {
  if (!outcome.ok) throw outcome.reason;
}
