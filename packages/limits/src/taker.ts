import type { ProviderRequest } from './hold.ts';
import type { Mirror } from './mirror.ts';
import { positionAt, subjectOrder } from './orders.ts';
import type { Rebuilder } from './rebuild.ts';
import type { Refusal } from './refusal.ts';
import { refusalOf } from './refusal.ts';
import type { HoldOrder, LimitStore, ReserveAnswer, ReserveOrder } from './store.ts';
import type { Subject } from './subject.ts';
import { hasSpendLimit, providerSlot } from './subject.ts';
import type { Calendar } from './window.ts';

export type Taken = Extract<ReserveAnswer, { status: 'taken' }>;
export type TakeAnswer = Taken | { readonly status: 'refused'; readonly refusal: Refusal };

/** A subject that is found cold again after so many rebuildings is admitted without its spending limits. */
const MOST_REBUILDS = 5;
/** How long a provider's refusal is believed without asking again. */
const REFUSAL_HINT_MS = 2000;
const MOST_HINTS = 10_000;

export type Wanted = Omit<ReserveOrder, 'subjects' | 'position' | 'leaseUntil'>;

/** Takes from one slot at a time, rebuilding what is cold on the way. */
export class Taker {
  readonly #store: LimitStore;
  readonly #rebuilder: Rebuilder;
  readonly #mirror: Mirror;
  readonly #leaseMs: number;
  readonly #refusals = new Map<number, { readonly refusal: Refusal; readonly until: number }>();

  constructor(parts: { store: LimitStore; rebuilder: Rebuilder; mirror: Mirror; leaseMs: number }) {
    this.#store = parts.store;
    this.#rebuilder = parts.rebuilder;
    this.#mirror = parts.mirror;
    this.#leaseMs = parts.leaseMs;
  }

  async take(wanted: Wanted, subjects: readonly Subject[], now: number, calendar: Calendar): Promise<TakeAnswer> {
    const order: ReserveOrder = {
      ...wanted,
      position: positionAt(now, calendar),
      leaseUntil: now + this.#leaseMs,
      subjects: subjects.map((subject) => subjectOrder(subject, now, calendar)),
    };
    let answer = await this.#store.reserve(order);
    for (let rebuilds = 0; answer.status === 'cold'; rebuilds += 1) {
      const cold = answer.subjects.flatMap((index) => subjects[index] ?? []);
      if (rebuilds < MOST_REBUILDS) {
        await Promise.all(cold.map((subject) => this.#rebuilder.rebuild(wanted.slot, subject, now, calendar)));
        answer = await this.#store.reserve(order);
      } else {
        answer = await this.#store.reserve(withoutSpendLimits(order));
      }
    }
    if (answer.status === 'refused') {
      const subject = subjects[answer.subject];
      if (subject === undefined) throw new RangeError(`refused for subject ${answer.subject} of ${subjects.length}`);
      return { status: 'refused', refusal: refusalOf(answer, subject, now, calendar) };
    }
    for (const [index, standing] of answer.standings.entries()) {
      const [subject, asked] = [subjects[index], order.subjects[index]];
      if (standing === undefined || subject === undefined || asked === undefined || !hasSpendLimit(subject.rules)) continue;
      this.#mirror.note(wanted.slot, asked.tag, { standing, position: order.position, dayStart: asked.dayStart });
    }
    return answer;
  }

  async takeProvider(
    request: ProviderRequest,
  ): Promise<{ readonly ok: true; readonly hold: HoldOrder } | { readonly ok: false; readonly refusal: Refusal }> {
    const { recordId, member, provider, now, calendar } = request;
    const wanted: Wanted = {
      slot: providerSlot(provider.id),
      recordId,
      estimate: 0n,
      minimum: 0n,
      rpm: 0,
      session: member === '' ? undefined : { member, alternative: undefined },
      // Number and binding of a session live beside its user.
      sessionTtlMs: 0,
    };
    const answer = await this.take(wanted, [{ ...provider, hard: false }], now, calendar);
    if (answer.status === 'taken') {
      this.#refusals.delete(provider.id);
      return { ok: true, hold: answer.hold };
    }
    if (this.#refusals.size > MOST_HINTS) this.#refusals.clear();
    this.#refusals.set(provider.id, { refusal: answer.refusal, until: now + REFUSAL_HINT_MS });
    return { ok: false, refusal: answer.refusal };
  }

  recentRefusal(providerId: number, now: number): Refusal | undefined {
    const hint = this.#refusals.get(providerId);
    return hint !== undefined && hint.until > now ? hint.refusal : undefined;
  }
}

function withoutSpendLimits(order: ReserveOrder): ReserveOrder {
  const limits = { total: 0n, fiveHour: 0n, daily: 0n, weekly: 0n, monthly: 0n };
  return { ...order, subjects: order.subjects.map((subject) => ({ ...subject, limits })) };
}
