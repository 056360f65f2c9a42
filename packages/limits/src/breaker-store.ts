import { randomUUID } from 'node:crypto';
import type { Logger } from '@hub/service';
import { Cluster } from 'ioredis';
import type { BreakerRecord } from './breaker-machine.ts';
import { parseRecord, pristine } from './breaker-machine.ts';
import { KEY_PREFIX, keyOf } from './redis-store.ts';
import { loadScript, Reply, runScript } from './scripts.ts';
import type { RedisClient } from './scripts.ts';
import { providerSlot } from './subject.ts';

/** A record and its place in time; versions are decimal texts that only grow. */
export interface Versioned {
  readonly version: string;
  readonly record: BreakerRecord;
}

/** No record anywhere. */
export const unknownBreaker: Versioned = { version: '0', record: pristine };

export type SwapAnswer = { readonly swapped: true; readonly version: string } | { readonly swapped: false; readonly current: Versioned };

/** Where all nodes keep their breakers. */
export interface BreakerStore {
  load(providerId: number): Promise<Versioned>;
  /** Compare and set. */
  swap(providerId: number, expected: string, record: BreakerRecord): Promise<SwapAnswer>;
  /** Called for every change by another node, and `rejoined` when changes may have been missed. */
  subscribe(onChange: (providerId: number, now: Versioned) => void, rejoined: () => void): void;
  close(): void;
}

/** v0.3.42 forgets a breaker that nothing happened to for a day. */
const KEEP_MS = 86_400_000;
const CHANNEL = `${KEY_PREFIX}breakers`;

const swapScript = loadScript('breaker-swap', true);

export class RedisBreakerStore implements BreakerStore {
  readonly #redis: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #log: Logger;
  readonly #writer = randomUUID();
  #rejoined: (() => void) | undefined;

  /** The connection for subscribing is our own, a duplicate of the given one. */
  constructor(redis: RedisClient, log: Logger) {
    this.#redis = redis;
    this.#subscriber = redis instanceof Cluster ? redis.duplicate() : redis.duplicate();
    this.#log = log;
  }

  async load(providerId: number): Promise<Versioned> {
    const [version, record] = await this.#redis.hmget(keyOf(providerSlot(providerId), 'breaker'), 'version', 'record');
    return versioned(version ?? '0', record ?? '');
  }

  async swap(providerId: number, expected: string, record: BreakerRecord): Promise<SwapAnswer> {
    const key = keyOf(providerSlot(providerId), 'breaker');
    const args = [expected, JSON.stringify(record), KEEP_MS, CHANNEL, providerId, this.#writer];
    const reply = new Reply(await runScript(this.#redis, swapScript, [key], args));
    const swapped = reply.number() === 1;
    const version = reply.text();
    return swapped ? { swapped, version } : { swapped, current: versioned(version, reply.text()) };
  }

  subscribe(onChange: (providerId: number, now: Versioned) => void, rejoined: () => void): void {
    this.#subscriber.on('error', () => {
      // The connection that it is a duplicate of reports the same trouble.
    });
    this.#subscriber.on('message', (_channel: string, message: string) => {
      const match = /^(\d+) (\d+) (\S+) (.*)$/.exec(message);
      const record = parseRecord(match?.[4] ?? '');
      // Our own news may come in before the answer to the change itself.
      if (match === null || record === undefined || match[3] === this.#writer) return;
      onChange(Number(match[1]), { version: match[2] ?? '0', record });
    });
    const join = (): void => {
      this.#subscriber.subscribe(CHANNEL).then(rejoined, (error: unknown) => {
        this.#log.warn({ err: error }, 'breaker changes of other nodes cannot be heard');
      });
    };
    this.#subscriber.on('ready', join);
    if (this.#subscriber.status === 'ready') join();
    this.#rejoined = rejoined;
    this.#redis.on('ready', rejoined);
  }

  close(): void {
    if (this.#rejoined !== undefined) this.#redis.off('ready', this.#rejoined);
    this.#subscriber.disconnect();
  }
}

function versioned(version: string, text: string): Versioned {
  const record = parseRecord(text);
  return record === undefined ? { version, record: pristine } : { version, record };
}
