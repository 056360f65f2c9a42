import type { Logger } from '@hub/service';
import type { RecentSettlements } from './journal.ts';
import type { LiveHolds } from './live-holds.ts';
import { settleOrder } from './orders.ts';
import type { Refusal } from './refusal.ts';
import type { BindingOrder, HoldOrder, LimitStore, SettleOrder, Standing } from './store.ts';
import type { Subject } from './subject.ts';
import { countLimitOf, hasSpendLimit, providerSlot } from './subject.ts';
import type { Calendar } from './window.ts';

export type ProviderAnswer = { readonly ok: true } | { readonly ok: false; readonly refusal: Refusal };

/** The session that a request was counted in. */
export interface HeldSession {
  /** The client's, or the alternative if that was taken. */
  readonly id: string;
  readonly alternative: boolean;
  /** 1, 2, 3, … within the session. */
  readonly sequence: number;
  /** A hint: the provider that served the session last. Undefined = none. */
  readonly boundProvider: number | undefined;
}

export interface Settlement {
  /** What the request cost, nano-dollars; 0n if unknown or nothing. */
  readonly nanos: bigint;
  readonly now: number;
  /** Ties the session to a provider; `absent` keeps a tie that is there. */
  readonly binding?: { readonly providerId: number; readonly rule: 'absent' | 'overwrite'; readonly ttlMs?: number } | undefined;
}

/** What an admitted request has taken. Ends once, by `settle` or `release`; further calls do nothing. Nothing rejects. */
export interface Hold {
  readonly recordId: string;
  /** The most that the request may cost; undefined = not limited in advance (soft budgets). */
  readonly grantedNanos: bigint | undefined;
  readonly session: HeldSession | undefined;
  /** Takes a slot of a provider, and gives back that of the one before. */
  enter(provider: Subject, now: number): Promise<ProviderAnswer>;
  /** The real cost replaces what was reserved. Counted once per record id. */
  settle(settlement: Settlement): Promise<void>;
  /** Gives everything back: nothing was spent and nobody was served. */
  release(now: number): Promise<void>;
}

/** What holds need of the limiter. */
export interface HoldContext {
  readonly store: LimitStore;
  readonly holds: LiveHolds;
  readonly recent: RecentSettlements;
  readonly log: Logger;
  readonly sessionIdleMs: number;
  readonly sessionTtlMs: number;
  /** Remembers the numbers that a settlement answered. */
  note(order: SettleOrder, standings: readonly (Standing | undefined)[]): void;
  /** Takes a slot of a provider for a request. */
  takeProvider(request: ProviderRequest): Promise<{ ok: true; hold: HoldOrder } | { ok: false; refusal: Refusal }>;
}

export interface ProviderRequest {
  readonly recordId: string;
  readonly member: string;
  readonly provider: Subject;
  readonly now: number;
  readonly calendar: Calendar;
}

export interface TakenRequest {
  readonly order: HoldOrder;
  /** The key and its user. */
  readonly subjects: readonly Subject[];
  readonly startedAt: number;
  readonly calendar: Calendar;
  readonly grantedNanos: bigint | undefined;
  readonly session: HeldSession | undefined;
}

/** True if a provider has anything to be asked before it is used. */
export function isLimitedProvider({ rules }: Subject): boolean {
  return hasSpendLimit(rules) || countLimitOf(rules.concurrentSessions) > 0;
}

/** The hold of a provider that had nothing to check: only what settles under it is real. */
export function unlimitedProviderHold(recordId: string, provider: Subject): HoldOrder {
  return { slot: providerSlot(provider.id), recordId, tags: ['p'], granted: 0n, member: '' };
}

export class RequestHold implements Hold {
  readonly recordId: string;
  readonly grantedNanos: bigint | undefined;
  readonly session: HeldSession | undefined;
  readonly #context: HoldContext;
  readonly #taken: TakenRequest;
  #provider: { readonly subject: Subject; readonly hold: HoldOrder } | undefined;
  #ended = false;

  constructor(context: HoldContext, taken: TakenRequest) {
    this.recordId = taken.order.recordId;
    this.grantedNanos = taken.grantedNanos;
    this.session = taken.session;
    this.#context = context;
    this.#taken = taken;
    context.holds.add(taken.order);
  }

  /** Notes a provider slot that was taken together with the rest. */
  adopt(subject: Subject, hold: HoldOrder): void {
    this.#provider = { subject, hold };
    if (hold.member !== '') this.#context.holds.add(hold);
  }

  async enter(provider: Subject, now: number): Promise<ProviderAnswer> {
    if (this.#ended) return { ok: true };
    const previous = this.#provider;
    if (previous?.subject.id === provider.id) return { ok: true };
    this.#provider = undefined;
    if (previous !== undefined) void this.#giveBack(previous.hold, [previous.subject], now);
    if (!isLimitedProvider(provider)) {
      this.adopt(provider, unlimitedProviderHold(this.recordId, provider));
      return { ok: true };
    }
    const { calendar, order } = this.#taken;
    const answer = await this.#context.takeProvider({ recordId: this.recordId, member: order.member, provider, now, calendar });
    if (!answer.ok) return answer;
    // The client may have left meanwhile: then nobody else will give it back.
    if (this.#ended) void this.#giveBack(answer.hold, [provider], now);
    else this.adopt(provider, answer.hold);
    return { ok: true };
  }

  async settle({ nanos, now, binding }: Settlement): Promise<void> {
    if (!this.#end()) return;
    const { startedAt, order, subjects } = this.#taken;
    const { sessionIdleMs, sessionTtlMs } = this.#context;
    const spending = { nanos, startedAt, sessionIdleMs };
    const tie: BindingOrder | undefined =
      binding && order.member !== ''
        ? { providerId: binding.providerId, rule: binding.rule, ttlMs: binding.ttlMs ?? sessionTtlMs }
        : undefined;
    const work = [this.#settle(order, subjects, spending, { now, binding: tie })];
    if (this.#provider !== undefined) {
      const { hold, subject } = this.#provider;
      work.push(this.#settle(hold, [subject], spending, { now }));
    }
    await Promise.all(work);
  }

  async release(now: number): Promise<void> {
    if (!this.#end()) return;
    const work = [this.#giveBack(this.#taken.order, this.#taken.subjects, now)];
    if (this.#provider !== undefined) work.push(this.#giveBack(this.#provider.hold, [this.#provider.subject], now));
    await Promise.all(work);
  }

  /** True the first time. From then on the holds are not renewed. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#context.holds.remove(this.#taken.order);
    if (this.#provider !== undefined) this.#context.holds.remove(this.#provider.hold);
    return true;
  }

  async #giveBack(hold: HoldOrder, subjects: readonly Subject[], now: number): Promise<void> {
    this.#context.holds.remove(hold);
    // A provider without limits has taken nothing.
    if (hold.member === '' && hold.granted === 0n && hold.tags[0] === 'p') return;
    await this.#settle(hold, subjects, undefined, { now });
  }

  async #settle(
    hold: HoldOrder,
    subjects: readonly Subject[],
    spending: Parameters<typeof settleOrder>[2],
    { now, binding }: { now: number; binding?: BindingOrder | undefined },
  ): Promise<void> {
    const { store, recent, note, log } = this.#context;
    const { calendar } = this.#taken;
    if (spending !== undefined && subjects.some(({ rules }) => hasSpendLimit(rules))) {
      recent.push({ hold, subjects, calendar, nanos: spending.nanos, startedAt: spending.startedAt, settledAt: now });
    }
    const order = settleOrder(hold, subjects, spending, { now, calendar, binding });
    try {
      const { standings } = await store.settle(order);
      note(order, standings);
    } catch (error) {
      log.error({ err: error, recordId: hold.recordId, slot: hold.slot }, 'a request could not be settled');
    }
  }
}
