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

export interface SessionFilter {
  /** Only this user's; undefined = everybody's. */
  readonly userId?: number | undefined;
  /** Only those with one of these ids; undefined = all. */
  readonly sessionIds?: ReadonlySet<string> | undefined;
  /** As many at the most, the latest. Default 1000. */
  readonly most?: number | undefined;
}

export interface SessionDirectory {
  /**
   * A request of the session began (`in_progress`) or ended. Only remembered; written to Redis in the background, many at
   * a time. While a request is in progress its session stays active. An end does not bring back a session that was
   * terminated meanwhile.
   */
  touch(info: Omit<SessionInfo, 'startedAt' | 'lastSeenAt'>): void;
  /** Sessions seen within the active time, the latest first. Without Redis those of this process. Does not reject. */
  active(filter?: SessionFilter): Promise<SessionInfo[]>;
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
const MOST_LISTED = 1000;
const MOST_LOOKED_AT = 100_000;
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

function matches({ userId, sessionId }: SessionRef, filter: SessionFilter): boolean {
  return (filter.userId === undefined || filter.userId === userId) && (filter.sessionIds === undefined || filter.sessionIds.has(sessionId));
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
  /** Those of them that had a request begin. */
  readonly #begun = new Set<string>();
  readonly #timers: NodeJS.Timeout[];
  #flushing: Promise<void> | undefined;

  constructor({ redis, clock, log, activeMs = 300_000, flushEveryMs = 250 }: SessionDirectoryOptions) {
    this.#redis = redis;
    this.#store = redis && new RedisStore(redis);
    this.#clock = clock;
    this.#log = log;
    this.#activeMs = activeMs;
    this.#timers = [setInterval(() => this.#keepRunning(), activeMs / 5).unref()];
    if (redis !== undefined) this.#timers.push(setInterval(() => void this.flush(), flushEveryMs).unref());
  }

  touch(info: Omit<SessionInfo, 'startedAt' | 'lastSeenAt'>): void {
    const name = nameOf(info);
    const now = this.#clock.now();
    const known = this.#local.get(name);
    const began = info.status === 'in_progress';
    // Terminated since it began, or forgotten because there are so many.
    if (!began && known === undefined) return;
    const startedAt = known !== undefined && this.#isActive(known) ? known.startedAt : now;
    if (began) this.#begun.add(name);
    this.#note(name, { ...info, startedAt, lastSeenAt: now });
    for (const [oldest, { lastSeenAt }] of this.#local) {
      if (this.#local.size <= MOST_LOCAL && now - lastSeenAt < this.#activeMs) break;
      this.#local.delete(oldest);
    }
  }

  #note(name: string, session: SessionInfo): void {
    this.#local.delete(name);
    this.#local.set(name, session);
    if (this.#redis === undefined) return;
    this.#unwritten.set(name, session);
    if (this.#unwritten.size <= MOST_LOCAL) return;
    this.#unwritten.clear();
    this.#begun.clear();
  }

  /** Long requests: their sessions must not fall asleep before they end. */
  #keepRunning(): void {
    const now = this.#clock.now();
    for (const [name, session] of this.#local) {
      // What is noted moves to the end and is met again there, and then it is fresh.
      if (session.status === 'in_progress' && session.lastSeenAt < now) this.#note(name, { ...session, lastSeenAt: now });
    }
  }

  #isActive({ lastSeenAt }: SessionInfo): boolean {
    return this.#clock.now() - lastSeenAt < this.#activeMs;
  }

  async active(filter: SessionFilter = {}): Promise<SessionInfo[]> {
    const shared = await this.#tried('active sessions could not be read', (redis) => this.#read(redis, filter));
    const sessions = new Map([...(shared ?? []), ...this.#unwrittenOrAll(shared === undefined)].map((info) => [nameOf(info), info]));
    return [...sessions.values()]
      .filter((info) => this.#isActive(info) && matches(info, filter))
      .sort((a, b) => b.lastSeenAt - a.lastSeenAt)
      .slice(0, filter.most ?? MOST_LISTED);
  }

  /** What this process knows better than Redis: everything if that did not answer. */
  #unwrittenOrAll(all: boolean): Iterable<SessionInfo> {
    return all ? this.#local.values() : this.#unwritten.values();
  }

  async #read(redis: RedisClient, filter: SessionFilter): Promise<SessionInfo[]> {
    const { userId, sessionIds, most = MOST_LISTED } = filter;
    // Those that are asked for may lie far down; names are short, so many can be looked at.
    const limit = userId === undefined && sessionIds === undefined ? most : MOST_LOOKED_AT;
    const names = await redis.zrevrangebyscore(INDEX_KEY, '+inf', this.#clock.now() - this.#activeMs, 'LIMIT', 0, limit);
    const refs = names.flatMap((name) => refOf(name) ?? []).filter((ref) => matches(ref, filter)).slice(0, most);
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
    this.#begun.delete(name);
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
    const scores = (begun: boolean) => sessions.flatMap(([name, { lastSeenAt }]) => (this.#begun.has(name) === begun ? [lastSeenAt, name] : []));
    const [begun, known] = [scores(true), scores(false)];
    await this.#tried('active sessions could not be written', async (redis) => {
      await Promise.all([
        begun.length > 0 && redis.zadd(INDEX_KEY, ...begun),
        // What is listed is what is in the index: a terminated session stays out of it.
        known.length > 0 && redis.zadd(INDEX_KEY, 'XX', ...known),
        redis.zremrangebyscore(INDEX_KEY, '-inf', this.#clock.now() - this.#activeMs),
        ...sessions.map(([, info]) => this.#writeInfo(redis, info)),
      ]);
      // Touched again meanwhile: that is still to be written.
      for (const [name, info] of sessions) {
        if (this.#unwritten.get(name) !== info) continue;
        this.#unwritten.delete(name);
        this.#begun.delete(name);
      }
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
    for (const timer of this.#timers) clearInterval(timer);
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
