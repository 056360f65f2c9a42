import type { Clock, Logger } from '@hub/service';
import { within } from './deadline.ts';
import { KEY_PREFIX, keyOf, RedisStore } from './redis-store.ts';
import type { RedisClient } from './scripts.ts';
import { providerSlot, sessionMember, userSlot } from './subject.ts';
import type { SessionRef } from './limiter.ts';

/** What admins see of a session. */
export interface SessionInfo extends SessionRef {
  readonly userName: string;
  readonly keyName: string;
  /** Of the latest request; empty = none named. */
  readonly model: string;
  readonly apiType: 'chat' | 'codex';
  /** Undefined = no request has reached a provider. */
  readonly providerId: number | undefined;
  readonly providerName: string;
  readonly status: 'in_progress' | 'completed' | 'error';
  /** Epoch ms of its first and latest request. */
  readonly startedAt: number;
  readonly lastSeenAt: number;
}

export interface SessionDirectory {
  /** A request of the session began or ended. Only remembered; written to Redis in the background, many at a time. */
  touch(info: Omit<SessionInfo, 'startedAt' | 'lastSeenAt'>): void;
  /** Sessions seen within the active time, the latest first. Without Redis those of this process. Does not reject. */
  active(): Promise<SessionInfo[]>;
  get(session: SessionRef): Promise<SessionInfo | undefined>;
  /** Forgets a session: here, its number, its binding, its places among active ones. True if it was known. */
  terminate(session: SessionRef): Promise<boolean>;
  /** Writes what is pending now. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface SessionDirectoryOptions {
  readonly redis?: RedisClient | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long after its latest request a session counts as active. Default 5 min, as v0.3.42. */
  readonly activeMs?: number;
  /** Default 250 ms. */
  readonly flushEveryMs?: number;
}

const INDEX_KEY = `${KEY_PREFIX}active-sessions`;
const MOST_LOCAL = 20_000;
/** Nobody but an admin waits for these. */
const REDIS_TIMEOUT_MS = 1000;

export function createSessionDirectory(options: SessionDirectoryOptions): SessionDirectory {
  return new Directory(options);
}

function nameOf({ userId, keyId, sessionId }: SessionRef): string {
  return `${userId}:${keyId}:${sessionId}`;
}

function refOf(name: string): SessionRef | undefined {
  const match = /^(\d+):(\d+):(.*)$/s.exec(name);
  return match === null ? undefined : { userId: Number(match[1]), keyId: Number(match[2]), sessionId: match[3] ?? '' };
}

function infoKey({ userId, keyId, sessionId }: SessionRef): string {
  return keyOf(userSlot(userId), `info:${sessionMember(keyId, sessionId)}`);
}

class Directory implements SessionDirectory {
  readonly #redis: RedisClient | undefined;
  readonly #store: RedisStore | undefined;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #activeMs: number;
  /** Of this process, the least recently seen first. */
  readonly #local = new Map<string, SessionInfo>();
  readonly #unwritten = new Map<string, SessionInfo>();
  readonly #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;

  constructor({ redis, clock, log, activeMs = 300_000, flushEveryMs = 250 }: SessionDirectoryOptions) {
    this.#redis = redis;
    this.#store = redis && new RedisStore(redis);
    this.#clock = clock;
    this.#log = log;
    this.#activeMs = activeMs;
    if (redis !== undefined) this.#timer = setInterval(() => void this.flush(), flushEveryMs).unref();
  }

  touch(info: Omit<SessionInfo, 'startedAt' | 'lastSeenAt'>): void {
    const name = nameOf(info);
    const now = this.#clock.now();
    const known = this.#local.get(name);
    const session = { ...info, startedAt: known !== undefined && this.#isActive(known) ? known.startedAt : now, lastSeenAt: now };
    this.#local.delete(name);
    this.#local.set(name, session);
    for (const [oldest, { lastSeenAt }] of this.#local) {
      if (this.#local.size <= MOST_LOCAL && now - lastSeenAt < this.#activeMs) break;
      this.#local.delete(oldest);
    }
    if (this.#redis === undefined) return;
    this.#unwritten.set(name, session);
    if (this.#unwritten.size > MOST_LOCAL) this.#unwritten.clear();
  }

  #isActive({ lastSeenAt }: SessionInfo): boolean {
    return this.#clock.now() - lastSeenAt < this.#activeMs;
  }

  async active(): Promise<SessionInfo[]> {
    const shared = await this.#tried('active sessions could not be read', (redis) => this.#read(redis));
    const sessions = new Map([...(shared ?? []), ...this.#unwrittenOrAll(shared === undefined)].map((info) => [nameOf(info), info]));
    return [...sessions.values()].filter((info) => this.#isActive(info)).sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  }

  /** What this process knows better than Redis: everything if that did not answer. */
  #unwrittenOrAll(all: boolean): Iterable<SessionInfo> {
    return all ? this.#local.values() : this.#unwritten.values();
  }

  async #read(redis: RedisClient): Promise<SessionInfo[]> {
    const names = await redis.zrangebyscore(INDEX_KEY, this.#clock.now() - this.#activeMs, '+inf');
    const refs = names.flatMap((name) => refOf(name) ?? []);
    const infos = await Promise.all(refs.map(async (ref) => readInfo(ref, await redis.hgetall(infoKey(ref)))));
    return infos.flatMap((info) => info ?? []);
  }

  async get(session: SessionRef): Promise<SessionInfo | undefined> {
    const unwritten = this.#unwritten.get(nameOf(session));
    if (unwritten !== undefined) return unwritten;
    const answer = await this.#tried('a session could not be read', async (redis) => {
      return { info: readInfo(session, await redis.hgetall(infoKey(session))) };
    });
    return answer === undefined ? this.#local.get(nameOf(session)) : answer.info;
  }

  async terminate(session: SessionRef): Promise<boolean> {
    const name = nameOf(session);
    const info = await this.get(session);
    this.#local.delete(name);
    this.#unwritten.delete(name);
    await this.#tried('a session could not be terminated', async (redis) => {
      const member = sessionMember(session.keyId, session.sessionId);
      await Promise.all([
        redis.del(infoKey(session)),
        redis.zrem(INDEX_KEY, name),
        this.#store?.terminate(userSlot(session.userId), member),
        info?.providerId === undefined ? undefined : this.#store?.terminate(providerSlot(info.providerId), member),
      ]);
    });
    return info !== undefined;
  }

  flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #write(): Promise<void> {
    const sessions = [...this.#unwritten];
    if (sessions.length === 0) return;
    await this.#tried('active sessions could not be written', async (redis) => {
      await Promise.all([
        redis.zadd(INDEX_KEY, ...sessions.flatMap(([name, { lastSeenAt }]) => [lastSeenAt, name])),
        redis.zremrangebyscore(INDEX_KEY, '-inf', this.#clock.now() - this.#activeMs),
        ...sessions.map(([, info]) => this.#writeInfo(redis, info)),
      ]);
      // Touched again meanwhile: that is still to be written.
      for (const [name, info] of sessions) if (this.#unwritten.get(name) === info) this.#unwritten.delete(name);
    });
  }

  async #writeInfo(redis: RedisClient, info: SessionInfo): Promise<void> {
    const key = infoKey(info);
    await redis
      .pipeline()
      .hset(key, {
        userName: info.userName,
        keyName: info.keyName,
        model: info.model,
        apiType: info.apiType,
        providerId: info.providerId ?? '',
        providerName: info.providerName,
        status: info.status,
        lastSeenAt: info.lastSeenAt,
      })
      .hsetnx(key, 'startedAt', info.startedAt)
      .pexpire(key, this.#activeMs)
      .exec();
  }

  /** Undefined = no Redis, or it failed, or did not answer in time. */
  async #tried<T>(complaint: string, work: (redis: RedisClient) => Promise<T>): Promise<T | undefined> {
    // Nothing is queued for a connection that is not there, so this does not wait for one.
    if (this.#redis === undefined || this.#redis.status !== 'ready') return undefined;
    try {
      return await within(REDIS_TIMEOUT_MS, work(this.#redis));
    } catch (error) {
      this.#log.debug({ err: error }, complaint);
      return undefined;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}

function readInfo(ref: SessionRef, fields: Record<string, string>): SessionInfo | undefined {
  const { status, providerId } = fields;
  if (fields['lastSeenAt'] === undefined) return undefined;
  return {
    ...ref,
    userName: fields['userName'] ?? '',
    keyName: fields['keyName'] ?? '',
    model: fields['model'] ?? '',
    apiType: fields['apiType'] === 'codex' ? 'codex' : 'chat',
    providerId: providerId === undefined || providerId === '' ? undefined : Number(providerId),
    providerName: fields['providerName'] ?? '',
    status: status === 'in_progress' || status === 'error' ? status : 'completed',
    startedAt: Number(fields['startedAt'] ?? fields['lastSeenAt']),
    lastSeenAt: Number(fields['lastSeenAt']),
  };
}
