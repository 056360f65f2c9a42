import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { backoff } from '@hub/service';
import type { Clock, Logger } from '@hub/service';
import {
  afterFailure,
  afterProbe,
  afterSuccess,
  afterTrial,
  phaseAt,
  pristine,
  withTrial,
} from './breaker-machine.ts';
import type { BreakerPhase, BreakerRecord, BreakerRules, TrialVerdict } from './breaker-machine.ts';
import { RedisBreakerStore, unknownBreaker } from './breaker-store.ts';
import type { BreakerStore, Versioned } from './breaker-store.ts';
import { within } from './deadline.ts';
import type { RedisClient } from './scripts.ts';

/** Leave to send one request. Ends once, by the first of its three methods; none of them waits or throws. */
export interface Permit {
  /** Sent to a half-open provider to see whether it is well again. */
  readonly trial: boolean;
  success(now: number): void;
  /** Only for what was the provider's fault. */
  failure(now: number): void;
  /** Says nothing about the provider: not sent, the client left, the caller was at fault. */
  release(now: number): void;
}

export interface BreakerTransition {
  readonly providerId: number;
  readonly from: BreakerPhase;
  readonly to: BreakerPhase;
  readonly record: BreakerRecord;
  /** True on exactly one node: the one whose request or admin made it. */
  readonly own: boolean;
}

export interface Breakers {
  /** From this node's mirror, without waiting: for plans. */
  phase(providerId: number, rules: BreakerRules, now: number): BreakerPhase;
  record(providerId: number): BreakerRecord;
  /** Undefined = do not send. Waits only for trials. */
  acquire(providerId: number, rules: BreakerRules, now: number): Promise<Permit | undefined>;
  /** An admin closes it. */
  reset(providerId: number): Promise<void>;
  /** A probe of an open provider succeeded: trials may begin. */
  probed(providerId: number, now: number): Promise<void>;
  /** The providers that there are: fetches what other nodes know of them, now and whenever news may have been missed. */
  watch(providerIds: Iterable<number>): Promise<void>;
  onTransition(listener: (transition: BreakerTransition) => void): () => void;
  /** Everything that was reported has been written, as far as it can be. */
  settled(): Promise<void>;
  close(): void;
}

export interface BreakersOptions {
  /** Undefined = this process alone. */
  readonly redis?: RedisClient | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** False while Redis is known to be away: then nobody waits for it. Default: asked every time. */
  readonly redisIsThere?: () => boolean;
  /** What a silent Redis may cost a trial. Default 80 ms. */
  readonly redisTimeoutMs?: number;
  /** How often mirrors are compared with Redis, in case news was missed. Default 5 s. */
  readonly compareEveryMs?: number;
}

const MOST_SWAPS = 20;
const REJOIN_MS = { first: 50, most: 1000 };

type Step = (record: BreakerRecord) => BreakerRecord;

export function createBreakers(options: BreakersOptions): Breakers {
  const store = options.redis && new RedisBreakerStore(options.redis, options.log);
  return new MirroredBreakers(options, store);
}

/**
 * Every node has a mirror of all breakers, fed by what other nodes publish: a closed breaker without failures costs no
 * call at all. A change is computed by the state machine on the mirror and swapped in; if another node was faster, it is
 * computed again on what that node wrote. Without Redis the mirror goes on alone, and tells Redis when it is back.
 */
class MirroredBreakers implements Breakers {
  readonly #options: BreakersOptions;
  readonly #store: BreakerStore | undefined;
  readonly #mirror = new Map<number, Versioned>();
  /** Changed without Redis. */
  readonly #dirty = new Set<number>();
  /** One change at a time per provider. */
  readonly #queues = new Map<number, Promise<unknown>>();
  #watched: readonly number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #rejoins = 0;
  #closed = false;
  readonly #listeners = new Set<(transition: BreakerTransition) => void>();

  constructor(options: BreakersOptions, store: BreakerStore | undefined) {
    this.#options = options;
    this.#store = store;
    store?.subscribe(
      (providerId, now) => this.#heard(providerId, now),
      () => void this.#rejoin(),
    );
    if (store !== undefined) this.#timer = setInterval(() => void this.#compareAll(), options.compareEveryMs ?? 5000).unref();
  }

  phase(providerId: number, rules: BreakerRules, now: number): BreakerPhase {
    return phaseAt(this.record(providerId), rules, now);
  }

  record(providerId: number): BreakerRecord {
    return this.#mirror.get(providerId)?.record ?? pristine;
  }

  async acquire(providerId: number, rules: BreakerRules, now: number): Promise<Permit | undefined> {
    const phase = this.phase(providerId, rules, now);
    if (phase === 'open') return undefined;
    if (phase === 'closed') return this.#permit(providerId, rules, undefined);
    const id = randomUUID();
    let record = this.record(providerId);
    await this.#change(providerId, (before) => (record = withTrial(before, rules, now, id)));
    if (record.trials.some((trial) => trial.id === id)) return this.#permit(providerId, rules, id);
    // Closed by another node's trials meanwhile.
    return phaseAt(record, rules, now) === 'closed' ? this.#permit(providerId, rules, undefined) : undefined;
  }

  #permit(providerId: number, rules: BreakerRules, trialId: string | undefined): Permit {
    let ended = false;
    const end = (verdict: TrialVerdict, now: number): void => {
      if (ended) return;
      ended = true;
      const step: Step = (record) => {
        if (trialId !== undefined) return afterTrial(record, rules, now, { id: trialId, verdict });
        if (verdict === 'none') return record;
        return verdict === 'failure' ? afterFailure(record, rules, now) : afterSuccess(record);
      };
      // Most requests succeed at a provider without failures: nothing to change, nothing to ask.
      if (this.#queues.has(providerId) || step(this.record(providerId)) !== this.record(providerId)) {
        void this.#change(providerId, step);
      }
    };
    return {
      trial: trialId !== undefined,
      success: (now) => end('success', now),
      failure: (now) => end('failure', now),
      release: (now) => end('none', now),
    };
  }

  async reset(providerId: number): Promise<void> {
    // This node may not have heard yet what others did, and would find nothing to close.
    await this.#fetch(providerId);
    await this.#change(providerId, (record) => (record.phase === 'closed' && record.failures === 0 ? record : pristine));
  }

  probed(providerId: number, now: number): Promise<void> {
    return this.#change(providerId, (record) => afterProbe(record, now));
  }

  async watch(providerIds: Iterable<number>): Promise<void> {
    const known = new Set(this.#watched);
    this.#watched = [...providerIds];
    await Promise.all(this.#watched.map((providerId) => (known.has(providerId) ? undefined : this.#fetch(providerId))));
  }

  onTransition(listener: (transition: BreakerTransition) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async settled(): Promise<void> {
    while (this.#queues.size > 0) await Promise.all(this.#queues.values());
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#store?.close();
  }

  /** Applies a change after those before it. Does not reject. */
  #change(providerId: number, step: Step): Promise<void> {
    const turn = (this.#queues.get(providerId) ?? Promise.resolve()).then(() => this.#swap(providerId, step));
    const queued = turn.finally(() => {
      if (this.#queues.get(providerId) === queued) this.#queues.delete(providerId);
    });
    this.#queues.set(providerId, queued);
    return queued;
  }

  async #swap(providerId: number, step: Step): Promise<void> {
    for (let attempt = 1; attempt <= MOST_SWAPS; attempt += 1) {
      const before = this.#mirror.get(providerId) ?? unknownBreaker;
      const record = step(before.record);
      if (record === before.record) return;
      const answer = await this.#ask((store) => store.swap(providerId, before.version, record));
      if (answer === undefined) {
        this.#dirty.add(providerId);
        this.#set(providerId, { version: before.version, record }, true);
        return;
      }
      if (answer.swapped) {
        this.#set(providerId, { version: answer.version, record }, true);
        return;
      }
      this.#set(providerId, answer.current, false);
    }
    this.#options.log.warn({ providerId }, 'a breaker is changed by too many at once: one report was dropped');
  }

  /** Undefined = no Redis, or no answer from it in time. */
  async #ask<T>(question: (store: BreakerStore) => Promise<T>): Promise<T | undefined> {
    const { redisIsThere, redisTimeoutMs = 80, log } = this.#options;
    if (this.#store === undefined || redisIsThere?.() === false) return undefined;
    try {
      return await within(redisTimeoutMs, question(this.#store));
    } catch (error) {
      log.debug({ err: error }, 'a breaker goes on without Redis');
      return undefined;
    }
  }

  #set(providerId: number, now: Versioned, own: boolean): void {
    const from = this.record(providerId).phase;
    this.#mirror.set(providerId, now);
    const to = now.record.phase;
    if (from === to) return;
    for (const listener of this.#listeners) {
      try {
        listener({ providerId, from, to, record: now.record, own });
      } catch (error) {
        this.#options.log.error({ err: error, providerId }, 'a listener of breaker transitions failed');
      }
    }
  }

  #heard(providerId: number, now: Versioned): void {
    const known = this.#mirror.get(providerId) ?? unknownBreaker;
    if (BigInt(now.version) > BigInt(known.version)) this.#set(providerId, now, false);
  }

  async #fetch(providerId: number): Promise<void> {
    const there = await this.#ask((store) => store.load(providerId));
    if (there !== undefined) this.#heard(providerId, there);
  }

  /** After a break, until it has worked: what was changed here, or lost there, is written; what was missed is fetched. */
  async #rejoin(): Promise<void> {
    this.#rejoins += 1;
    const mine = this.#rejoins;
    const pause = backoff(REJOIN_MS.first, REJOIN_MS.most);
    while (!this.#closed && mine === this.#rejoins && !(await this.#compareAll())) {
      await wait(pause.next(), undefined, { ref: false });
    }
  }

  /** False = Redis did not answer. */
  async #compareAll(): Promise<boolean> {
    for (const providerId of new Set([...this.#watched, ...this.#mirror.keys()])) {
      const there = await this.#ask((store) => store.load(providerId));
      if (there === undefined) return false;
      const record = this.record(providerId);
      if (!this.#dirty.has(providerId) && there.version !== '0') {
        this.#heard(providerId, there);
        continue;
      }
      const worse = record.phase !== 'closed' && (there.record.phase === 'closed' || record.openUntil > there.record.openUntil);
      if (worse && (await this.#ask((store) => store.swap(providerId, there.version, record))) === undefined) return false;
      this.#dirty.delete(providerId);
      if (worse) await this.#fetch(providerId);
      else this.#set(providerId, there, false);
    }
    return true;
  }
}
