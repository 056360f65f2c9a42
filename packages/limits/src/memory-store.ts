import { MemorySlot } from './memory-slot.ts';
import { SpendCounter } from './memory-spend.ts';
import type {
  BindingOrder,
  ClaimOrder,
  Dimension,
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
  Standing,
  SubjectOrder,
} from './store.ts';
import { dimensions } from './store.ts';

/** Quiet slots are forgotten after two days, as in Redis; looked for once in so many reservations. */
const KEEP_SLOT_MS = 172_800_000;
const SWEEP_EVERY = 1000;

interface Refused {
  readonly status: 'refused';
  readonly subject: number;
  readonly dimension: Dimension;
  readonly current: bigint;
}

interface Admitted {
  readonly status: 'admitted';
  readonly granted: bigint;
  readonly standings: readonly (Standing | undefined)[];
}

/**
 * The same limits in this process: the store of a single node without Redis, and what a node lives on while Redis is away.
 * Every method does its work before it returns its promise, so a step is atomic as a script is.
 *
 * `weight` > 1 makes every node enforce its share: what is spent or taken here counts as if all `weight` nodes had done
 * the same. One session and one request per minute always pass.
 */
export class MemoryStore implements LimitStore {
  readonly #slots = new Map<string, MemorySlot>();
  readonly #weight: () => number;
  readonly #sequenceBase: number;
  #reservations = 0;

  /** @param sequenceBase what a session's first request counts from: above all numbers given elsewhere */
  constructor({ weight = () => 1, sequenceBase = 0 }: { weight?: () => number; sequenceBase?: number } = {}) {
    this.#weight = weight;
    this.#sequenceBase = sequenceBase;
  }

  #slot(name: string, now: number): MemorySlot {
    let slot = this.#slots.get(name);
    if (slot === undefined) this.#slots.set(name, (slot = new MemorySlot()));
    slot.touchedAt = now;
    return slot;
  }

  async reserve(order: ReserveOrder): Promise<ReserveAnswer> {
    const { now } = order.position;
    this.#sweep(now);
    const slot = this.#slot(order.slot, now);
    const cold = order.subjects.flatMap((subject, index) =>
      isLimited(subject) && slot.warmCounter(subject.tag, now, subject.signature) === undefined ? [index] : [],
    );
    if (cold.length > 0) return { status: 'cold', subjects: cold };
    slot.expire(now);

    const { session } = order;
    const alternative = session?.alternative !== undefined && slot.hasRequestInFlight(session.member);
    const member = (alternative ? session.alternative : session?.member) ?? '';
    const checked = this.#check(slot, order, member);
    if (checked.status === 'refused') return checked;

    const tags = order.subjects.map((subject) => subject.tag);
    const hold: HoldOrder = { slot: order.slot, recordId: order.recordId, tags, granted: checked.granted, member };
    slot.take(hold, order.leaseUntil);
    if (order.rpm > 0) slot.countRequest(now);
    const numbered = member !== '' && order.sessionTtlMs > 0;
    const record = numbered ? slot.nextSequence(member, now, order.sessionTtlMs) : { sequence: 0, providerId: 0 };
    return {
      status: 'taken',
      hold,
      sequence: record.sequence === 0 ? 0 : this.#sequenceBase + record.sequence,
      boundProvider: record.providerId,
      alternative,
      standings: checked.standings,
    };
  }

  #check(slot: MemorySlot, order: ReserveOrder, member: string): Refused | Admitted {
    const { position } = order;
    const { now } = position;
    const weight = this.#weight();
    const full = (count: number, limit: number): boolean => count > 0 && (count + 1) * weight > limit;
    const active = member !== '' && slot.isActive(member, now);
    const standings = order.subjects.map(({ tag, signature, dayStart }) =>
      slot.warmCounter(tag, now, signature)?.spent(position, dayStart),
    );
    let granted = order.estimate;
    for (const dimension of dimensions) {
      if (dimension === 'rpm') {
        const count = slot.requestsInWindow(now);
        if (order.rpm === 0 || !full(count, order.rpm)) continue;
        return { status: 'refused', subject: order.subjects.length - 1, dimension, current: BigInt(count * weight) };
      }
      for (const [index, subject] of order.subjects.entries()) {
        if (dimension === 'concurrent') {
          if (subject.concurrent === 0 || member === '' || active) continue;
          const sessions = slot.activeSessions(subject.tag, now);
          if (!full(sessions, subject.concurrent)) continue;
          return { status: 'refused', subject: index, dimension, current: BigInt(sessions * weight) };
        }
        const spent = standings[index]?.[dimension] ?? 0n;
        const left = afford(subject, dimension, spent, slot.held(subject.tag) * BigInt(weight));
        if (left === undefined) continue;
        const share = left.nanos / BigInt(weight);
        if (left.nanos <= 0n || share < left.minimum(order)) {
          return { status: 'refused', subject: index, dimension, current: left.current };
        }
        if (subject.hard && share < granted) granted = share;
      }
    }
    return { status: 'admitted', granted: order.subjects.some((subject) => subject.hard) ? granted : 0n, standings };
  }

  async settle(order: SettleOrder): Promise<SettleAnswer> {
    const { hold, spent, position, binding } = order;
    const slot = this.#slot(hold.slot, position.now);
    slot.expire(position.now);
    const isNew = spent !== undefined && slot.markSettled(hold.recordId, position.now);
    slot.giveBack(hold, position.now, spent?.idleUntil ?? 0);
    if (binding !== undefined && hold.member !== '') slot.bind(hold.member, binding, position.now);
    for (const subject of order.subjects) if (isNew) this.#book(slot, order, spent, subject);
    return {
      status: spent === undefined ? 'released' : isNew ? 'settled' : 'duplicate',
      standings: order.subjects.map(({ tag, dayStart }) => slot.standing(tag, position, dayStart)),
    };
  }

  #book(
    slot: MemorySlot,
    { hold, weekStart, monthStart, position }: SettleOrder,
    spent: NonNullable<SettleOrder['spent']>,
    { tag, limited, dayStart }: SettleOrder['subjects'][number],
  ): void {
    const { nanos, startedAt, settledAt } = spent;
    const counter = slot.warmCounter(tag, position.now);
    const provisional = counter !== undefined && counter.provisionalUntil > 0;
    // What was spent before the database was read for these numbers, and long ago then, is in them.
    if (counter !== undefined && (provisional || settledAt >= counter.recentSince)) {
      const starts = { week: weekStart, month: monthStart, day: dayStart };
      counter.add(nanos * BigInt(this.#weight()), startedAt, starts);
    }
    if (provisional || (counter === undefined && (limited || slot.claims.has(tag)))) {
      slot.keepPending(tag, hold.recordId, { nanos, startedAt, settledAt });
    }
  }

  async renew(slotName: string, holds: readonly HoldOrder[], now: number, leaseUntil: number): Promise<void> {
    const slot = this.#slot(slotName, now);
    for (const hold of holds) slot.renew(hold, leaseUntil);
  }

  async claim({ slot: name, tag, signature, token, now, claimUntil }: ClaimOrder): Promise<'yours' | 'busy' | 'warm'> {
    const slot = this.#slot(name, now);
    if (slot.warmCounter(tag, now, signature) !== undefined) return 'warm';
    const claim = slot.claims.get(tag);
    if (claim !== undefined && claim.token !== token && claim.until > now) return 'busy';
    slot.spend.delete(tag);
    slot.claims.set(tag, { token, until: claimUntil });
    return 'yours';
  }

  async seed({ slot: name, tag, token, position, seed }: SeedOrder): Promise<'seeded' | 'lost'> {
    const slot = this.#slot(name, position.now);
    if (slot.claims.get(tag)?.token !== token) return 'lost';
    const counter = new SpendCounter(seed);
    const pending = slot.pending.get(tag) ?? new Map<string, never>();
    const add = (nanos: bigint, startedAt: number): void => {
      // Windows that began later than these starts do not exist yet: `seed` is as of now.
      const began = (start: number): number => (startedAt >= start ? start : Number.NEGATIVE_INFINITY);
      counter.add(nanos, startedAt, { week: began(seed.week.start), month: began(seed.month.start), day: began(seed.day.start) });
    };
    counter.spent(position, seed.day.start);
    for (const { nanos, startedAt, settledAt } of pending.values()) {
      if (seed.provisionalUntil > 0 || settledAt >= seed.recentSince) add(nanos, startedAt);
    }
    for (const { recordId, nanos, startedAt } of seed.recent) {
      if (pending.has(recordId)) continue;
      slot.markSettled(recordId, position.now);
      add(nanos, startedAt);
    }
    slot.spend.set(tag, counter);
    slot.claims.delete(tag);
    if (seed.provisionalUntil === 0) slot.pending.delete(tag);
    return 'seeded';
  }

  async forget(slot: string, tag: string): Promise<void> {
    this.#slots.get(slot)?.spend.delete(tag);
  }

  async peek({ slot: name, position, subjects }: PeekOrder): Promise<PeekAnswer> {
    const slot = this.#slots.get(name) ?? new MemorySlot();
    slot.expire(position.now);
    return {
      rpm: slot.requestsInWindow(position.now),
      subjects: subjects.map(({ tag, signature, dayStart }) => ({
        sessions: slot.activeSessions(tag, position.now),
        held: slot.held(tag),
        spent: slot.warmCounter(tag, position.now, signature)?.spent(position, dayStart),
      })),
    };
  }

  async bind(slot: string, member: string, binding: BindingOrder, now: number): Promise<void> {
    this.#slot(slot, now).bind(member, binding, now);
  }

  async terminate(slot: string, member: string): Promise<void> {
    this.#slots.get(slot)?.terminate(member);
  }

  async heartbeat(): Promise<Heartbeat> {
    return { nodes: 1, forgotten: false };
  }

  #sweep(now: number): void {
    this.#reservations += 1;
    if (this.#reservations % SWEEP_EVERY !== 0) return;
    for (const [name, slot] of this.#slots) {
      slot.expire(now);
      if (slot.quiet && slot.touchedAt < now - KEEP_SLOT_MS) this.#slots.delete(name);
    }
  }
}

function isLimited({ limits }: SubjectOrder): boolean {
  return Object.values(limits).some((limit) => limit > 0n);
}

type SpendDimension = 'total' | 'fiveHour' | 'daily' | 'weekly' | 'monthly';

/** What a subject has left of a limit; undefined = it has none. Soft subjects may spend the last nano many times over. */
function afford(
  subject: SubjectOrder,
  dimension: SpendDimension,
  spent: bigint,
  held: bigint,
): { nanos: bigint; current: bigint; minimum: (order: ReserveOrder) => bigint } | undefined {
  const limit = subject.limits[dimension];
  if (limit === 0n) return undefined;
  if (!subject.hard) return { nanos: limit - spent, current: spent, minimum: () => 0n };
  return { nanos: limit - spent - held, current: spent + held, minimum: (order) => order.minimum };
}
