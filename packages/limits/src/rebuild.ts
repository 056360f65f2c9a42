import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '@hub/service';
import { within } from './deadline.ts';
import type { RecentSettlements } from './journal.ts';
import type { LiveHolds } from './live-holds.ts';
import type { Mirror } from './mirror.ts';
import { dayStartOf, isRolling, positionAt } from './orders.ts';
import type { LimitStore, Seed } from './store.ts';
import type { Subject, SubjectRef } from './subject.ts';
import { signatureOf, tagOf } from './subject.ts';
import type { Calendar } from './window.ts';
import { bucketOf, DAY_BUCKET_MS, FIVE_HOUR_BUCKET_MS } from './window.ts';

/** How much was spent since a moment: one sum (`bucketMs` 0), or one per bucket aligned to the epoch. */
export interface WarmQuery {
  readonly sinceMs: number;
  readonly bucketMs: number;
}

export interface WarmAnswer {
  readonly totalNanos: bigint;
  /** Empty for a query without buckets. */
  readonly buckets: readonly { readonly startMs: number; readonly nanos: bigint }[];
}

export interface WarmRequest {
  readonly subject: SubjectRef;
  /** A row counts by the moment its request began. */
  readonly queries: readonly WarmQuery[];
  /** Rows that the database took in at or after this moment are not in the sums but in `recent`, one by one. */
  readonly recentSinceMs: number;
}

export interface Warmth {
  /** In the order of the queries. */
  readonly answers: readonly WarmAnswer[];
  /** Every priced row taken in since `recentSinceMs`, whenever its request began. */
  readonly recent: readonly { readonly recordId: string; readonly nanos: bigint; readonly startedAt: number }[];
}

/** Reads from the database what a subject has spent. Rejects when it cannot. */
export type WarmUp = (request: WarmRequest, signal: AbortSignal) => Promise<Warmth>;

export interface RebuildOptions {
  readonly store: LimitStore;
  readonly mirror: Mirror;
  readonly holds: LiveHolds;
  /** What this node has settled lately, perhaps not in the database yet. */
  readonly recent: RecentSettlements;
  readonly leaseMs: number;
  readonly warm: WarmUp;
  readonly log: Logger;
  /** The store is this node's own while the shared one is away. */
  readonly isLocal: () => boolean;
  /** How long the database may take, ms. */
  readonly warmTimeoutMs: number;
}

/**
 * A record may take so long from its settlement to the database. Longer, and after a loss of the counters it would be
 * taken for counted when it is not.
 */
const RECENT_MS = 900_000;
/** Numbers that could not be read from the database are believed so long. */
const PROVISIONAL_MS = 30_000;
/** Numbers of our own that are older are asked of the database first, even while the shared store is away. */
const STALE_MS = 600_000;
const POLL_MS = 20;

/**
 * Rebuilds the counters of cold subjects, once per subject however many requests and nodes find it cold: whoever gets the
 * claim reads the database, the others wait. What is settled meanwhile is kept by the store as pending and joined by
 * record id, so nothing is lost or counted twice.
 */
export class Rebuilder {
  readonly #options: RebuildOptions;
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: RebuildOptions) {
    this.#options = options;
  }

  /** Settles when the subject is warm, at the latest after twice the database's time. Never rejects for the database. */
  rebuild(slot: string, subject: Subject, now: number, calendar: Calendar): Promise<void> {
    const name = `${slot} ${tagOf(subject)}`;
    let running = this.#running.get(name);
    if (running === undefined) {
      running = this.#rebuild(slot, subject, now, calendar).finally(() => this.#running.delete(name));
      this.#running.set(name, running);
    }
    return running;
  }

  async #rebuild(slot: string, subject: Subject, now: number, calendar: Calendar): Promise<void> {
    const { store, warmTimeoutMs } = this.#options;
    const tag = tagOf(subject);
    const token = randomUUID();
    const signature = signatureOf(subject, calendar.timeZone);
    const began = performance.now();
    for (;;) {
      const elapsed = performance.now() - began;
      const claim = await store.claim({ slot, tag, signature, token, now, claimUntil: now + elapsed + 2 * warmTimeoutMs });
      if (claim === 'warm') return;
      if (claim === 'yours' && (await this.#seed(slot, subject, { now, calendar, token })) === 'seeded') return;
      if (elapsed > 2 * warmTimeoutMs) return;
      await wait(POLL_MS);
    }
  }

  async #seed(
    slot: string,
    subject: Subject,
    { now, calendar, token }: { now: number; calendar: Calendar; token: string },
  ): Promise<'seeded' | 'lost'> {
    const { store, mirror, holds, log, isLocal, leaseMs } = this.#options;
    const tag = tagOf(subject);
    const inFlight = holds.ofSlot(slot);
    if (inFlight.length > 0) await store.renew(slot, inFlight, now, now + leaseMs);
    const position = positionAt(now, calendar);
    const local = isLocal();
    const remembered = (): Seed =>
      mirror.seedFor(slot, tag, {
        position,
        dayStart: dayStartOf(subject, now, calendar),
        rolling: isRolling(subject),
        signature: signatureOf(subject, calendar.timeZone),
      });
    const write = (seed: Seed) => store.seed({ slot, tag, token, position, seed });
    if (local && mirror.ageOf(slot, tag, now) < STALE_MS) return write(remembered());
    try {
      return await write(await this.#read(slot, subject, now, calendar));
    } catch (error) {
      log.warn({ err: error, subject: `${slot} ${tag}` }, 'spending could not be read back: going on with what this node remembers');
      return write({ ...remembered(), provisionalUntil: local ? 0 : now + PROVISIONAL_MS });
    }
  }

  async #read(slot: string, subject: Subject, now: number, calendar: Calendar): Promise<Seed> {
    const { warm, warmTimeoutMs } = this.#options;
    const { weekStart, monthStart, fiveHourLow, dayLow } = positionAt(now, calendar);
    const rolling = isRolling(subject);
    const dayStart = dayStartOf(subject, now, calendar);
    const recentSince = now - RECENT_MS;
    const request: WarmRequest = {
      subject: { kind: subject.kind, id: subject.id },
      queries: [
        { sinceMs: subject.totalSince ?? 0, bucketMs: 0 },
        { sinceMs: monthStart, bucketMs: 0 },
        { sinceMs: weekStart, bucketMs: 0 },
        rolling ? { sinceMs: dayLow * DAY_BUCKET_MS, bucketMs: DAY_BUCKET_MS } : { sinceMs: dayStart, bucketMs: 0 },
        { sinceMs: fiveHourLow * FIVE_HOUR_BUCKET_MS, bucketMs: FIVE_HOUR_BUCKET_MS },
      ],
      recentSinceMs: recentSince,
    };
    const { answers, recent } = await within(warmTimeoutMs, warm(request, AbortSignal.timeout(warmTimeoutMs)));
    const [total, month, week, day, fiveHour] = answers;
    if (!total || !month || !week || !day || !fiveHour) throw new Error('the answer lacks a window');
    return {
      signature: signatureOf(subject, calendar.timeZone),
      rolling,
      recentSince,
      provisionalUntil: 0,
      total: total.totalNanos,
      week: { start: weekStart, nanos: week.totalNanos },
      month: { start: monthStart, nanos: month.totalNanos },
      day: { start: dayStart, nanos: rolling ? 0n : day.totalNanos },
      fiveHourBuckets: fiveHour.buckets.map(({ startMs, nanos }) => ({ bucket: bucketOf(startMs, FIVE_HOUR_BUCKET_MS), nanos })),
      dayBuckets: day.buckets.map(({ startMs, nanos }) => ({ bucket: bucketOf(startMs, DAY_BUCKET_MS), nanos })),
      recent: this.#joined(slot, subject, recent),
    };
  }

  /** The database's late rows and what this node settled lately, each record once. */
  #joined(slot: string, subject: Subject, rows: Warmth['recent']): Seed['recent'] {
    const tag = tagOf(subject);
    const records = new Map<string, Seed['recent'][number]>();
    for (const { hold, subjects, nanos, startedAt } of this.#options.recent.list()) {
      if (hold.slot !== slot || !subjects.some((settled) => tagOf(settled) === tag)) continue;
      records.set(hold.recordId, { recordId: hold.recordId, nanos, startedAt });
    }
    for (const row of rows) records.set(row.recordId, row);
    return [...records.values()].filter(({ startedAt }) => startedAt >= (subject.totalSince ?? 0));
  }
}
