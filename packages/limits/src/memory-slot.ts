import type { SpendCounter } from './memory-spend.ts';
import type { BindingOrder, HoldOrder, Position, Standing } from './store.ts';
import { RPM_WINDOW_MS } from './window.ts';

/** How long a settled record is remembered, as in Redis. */
const KEEP_SETTLED_MS = 1_800_000;
const MOST_PENDING = 20_000;

interface SessionState {
  /** Active until then without further requests. */
  until: number;
  inFlight: number;
  /** What `until` is to be once nothing is in flight. */
  idleUntil: number;
}

interface SessionRecord {
  sequence: number;
  providerId: number;
  expiresAt: number;
}

export interface PendingSpending {
  readonly nanos: bigint;
  readonly startedAt: number;
  readonly settledAt: number;
}

/** The state of one user with all its keys, or of one provider: the memory twin of the keys of one Redis hash tag. */
export class MemorySlot {
  readonly spend = new Map<string, SpendCounter>();
  readonly claims = new Map<string, { readonly token: string; readonly until: number }>();
  readonly pending = new Map<string, Map<string, PendingSpending>>();
  readonly #holds = new Map<string, { readonly hold: HoldOrder; leaseUntil: number }>();
  readonly #held = new Map<string, bigint>();
  readonly #sessions = new Map<string, SessionState>();
  readonly #records = new Map<string, SessionRecord>();
  readonly #settled = new Map<string, number>();
  /** Moments of admitted requests, ascending; those before #firstRequest have left the window. */
  #requests: number[] = [];
  #firstRequest = 0;
  /** Nothing runs out before then: spares the walk over all holds and sessions. */
  #nextExpiry = Number.POSITIVE_INFINITY;
  touchedAt = 0;

  /** Nothing in it that must not be forgotten. */
  get quiet(): boolean {
    return this.#holds.size === 0 && this.#sessions.size === 0;
  }

  /** Leases that ran out and sessions that fell asleep. */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    for (const { hold, leaseUntil } of this.#holds.values()) if (leaseUntil <= now) this.giveBack(hold, now, 0);
    for (const [member, session] of this.#sessions) if (session.until <= now) this.#sessions.delete(member);
    for (const [member, record] of this.#records) if (record.expiresAt <= now) this.#records.delete(member);
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    for (const { leaseUntil } of this.#holds.values()) this.#expiresAt(leaseUntil);
    for (const { until } of this.#sessions.values()) this.#expiresAt(until);
    for (const { expiresAt } of this.#records.values()) this.#expiresAt(expiresAt);
  }

  #expiresAt(moment: number): void {
    if (moment < this.#nextExpiry) this.#nextExpiry = moment;
  }

  has(hold: HoldOrder): boolean {
    return this.#holds.has(hold.recordId);
  }

  take(hold: HoldOrder, leaseUntil: number): void {
    this.#holds.set(hold.recordId, { hold, leaseUntil });
    this.#expiresAt(leaseUntil);
    if (hold.granted > 0n) for (const tag of hold.tags) this.#held.set(tag, this.held(tag) + hold.granted);
    if (hold.member === '') return;
    const session = this.#sessions.get(hold.member);
    if (session === undefined) {
      this.#sessions.set(hold.member, { until: leaseUntil, inFlight: 1, idleUntil: 0 });
      return;
    }
    if (session.inFlight === 0) session.idleUntil = session.until;
    session.inFlight += 1;
    session.until = Math.max(session.until, leaseUntil);
  }

  renew(hold: HoldOrder, leaseUntil: number): void {
    const known = this.#holds.get(hold.recordId);
    if (known === undefined) return this.take(hold, leaseUntil);
    known.leaseUntil = leaseUntil;
    const session = this.#sessions.get(hold.member);
    if (session !== undefined) session.until = Math.max(session.until, leaseUntil);
  }

  /** @param idleUntil the session stays active until then; 0 = it was not served */
  giveBack(hold: HoldOrder, now: number, idleUntil: number): void {
    const known = this.#holds.get(hold.recordId);
    if (known === undefined) return;
    this.#holds.delete(hold.recordId);
    const { granted, tags, member } = known.hold;
    if (granted > 0n) {
      for (const tag of tags) {
        const left = this.held(tag) - granted;
        if (left > 0n) this.#held.set(tag, left);
        else this.#held.delete(tag);
      }
    }
    if (member === '') return;
    const session = this.#sessions.get(member);
    if (session === undefined) return;
    session.inFlight -= 1;
    session.idleUntil = Math.max(session.idleUntil, idleUntil);
    if (session.inFlight > 0) {
      session.until = Math.max(session.until, session.idleUntil);
    } else if (session.idleUntil > now) {
      session.until = session.idleUntil;
      this.#expiresAt(session.until);
    } else {
      this.#sessions.delete(member);
    }
  }

  held(tag: string): bigint {
    return this.#held.get(tag) ?? 0n;
  }

  isActive(member: string, now: number): boolean {
    return (this.#sessions.get(member)?.until ?? 0) > now;
  }

  hasRequestInFlight(member: string): boolean {
    return (this.#sessions.get(member)?.inFlight ?? 0) > 0;
  }

  /** Active sessions of a key (tag k…) or of the whole slot. */
  activeSessions(tag: string, now: number): number {
    const prefix = tag.startsWith('k') ? `${tag.slice(1)}:` : '';
    let count = 0;
    for (const [member, { until }] of this.#sessions) if (until > now && member.startsWith(prefix)) count += 1;
    return count;
  }

  requestsInWindow(now: number): number {
    while ((this.#requests[this.#firstRequest] ?? Number.POSITIVE_INFINITY) <= now - RPM_WINDOW_MS) this.#firstRequest += 1;
    if (this.#firstRequest * 2 > this.#requests.length) {
      this.#requests = this.#requests.slice(this.#firstRequest);
      this.#firstRequest = 0;
    }
    return this.#requests.length - this.#firstRequest;
  }

  countRequest(now: number): void {
    this.#requests.push(now);
  }

  nextSequence(member: string, now: number, ttlMs: number): { sequence: number; providerId: number } {
    const record = this.#record(member, now);
    record.sequence += 1;
    record.expiresAt = now + ttlMs;
    this.#expiresAt(record.expiresAt);
    return record;
  }

  bind(member: string, { providerId, rule, ttlMs }: BindingOrder, now: number): void {
    const record = this.#record(member, now);
    if (rule === 'overwrite' || record.providerId === 0) record.providerId = providerId;
    record.expiresAt = now + ttlMs;
    this.#expiresAt(record.expiresAt);
  }

  #record(member: string, now: number): SessionRecord {
    let record = this.#records.get(member);
    if (record === undefined || record.expiresAt <= now) {
      record = { sequence: 0, providerId: 0, expiresAt: 0 };
      this.#records.set(member, record);
    }
    return record;
  }

  terminate(member: string): void {
    this.#records.delete(member);
    const session = this.#sessions.get(member);
    if (session === undefined) return;
    session.idleUntil = 0;
    if (session.inFlight === 0) this.#sessions.delete(member);
  }

  /** True the first time. */
  markSettled(recordId: string, now: number): boolean {
    if (this.#settled.has(recordId)) return false;
    this.#settled.set(recordId, now);
    // Insertion order is time order, so the old ones come first.
    for (const [old, at] of this.#settled) {
      if (at > now - KEEP_SETTLED_MS) break;
      this.#settled.delete(old);
    }
    return true;
  }

  keepPending(tag: string, recordId: string, spending: PendingSpending): void {
    let entries = this.pending.get(tag);
    if (entries === undefined) this.pending.set(tag, (entries = new Map()));
    if (entries.size < MOST_PENDING) entries.set(recordId, spending);
  }

  /** The counter of a subject if its numbers may be believed. */
  warmCounter(tag: string, now: number, signature?: string): SpendCounter | undefined {
    const counter = this.spend.get(tag);
    if (counter === undefined || (signature !== undefined && counter.signature !== signature)) return undefined;
    return counter.provisionalUntil > 0 && now > counter.provisionalUntil ? undefined : counter;
  }

  standing(tag: string, position: Position, dayStart: number): Standing | undefined {
    return this.warmCounter(tag, position.now)?.spent(position, dayStart);
  }
}
