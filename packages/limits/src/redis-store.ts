import type {
  BindingOrder,
  ClaimOrder,
  Dimension,
  Heartbeat,
  HoldOrder,
  LimitStore,
  PeekAnswer,
  PeekOrder,
  Position,
  ReserveAnswer,
  ReserveOrder,
  SeedOrder,
  SettleAnswer,
  SettleOrder,
  Standing,
} from './store.ts';
import { dimensions } from './store.ts';
import { loadScript, Reply, ScriptRunner } from './scripts.ts';
import type { RedisClient } from './scripts.ts';

const scripts = {
  reserve: loadScript('reserve'),
  settle: loadScript('settle'),
  renew: loadScript('renew'),
  claim: loadScript('claim'),
  seed: loadScript('seed'),
  peek: loadScript('peek'),
  bind: loadScript('bind'),
  terminate: loadScript('terminate'),
};

/** In front of every key, so that the hub can share a database. */
export const KEY_PREFIX = 'hub:';

/** The key `name` of a slot; the braces make Redis Cluster keep a slot's keys together. */
export function keyOf(slot: string, name: string): string {
  return `${KEY_PREFIX}{${slot}}:${name}`;
}

export function sessionKey(slot: string, member: string): string {
  return keyOf(slot, `session:${member}`);
}

const NODES_KEY = `${KEY_PREFIX}nodes`;

function livingKeys(slot: string): string[] {
  return [keyOf(slot, 'holds'), keyOf(slot, 'sessions'), keyOf(slot, 'live')];
}

function positionArguments(position: Position): number[] {
  return [position.now, position.fiveHourLow, position.dayLow, position.weekStart, position.monthStart];
}

/** A hold as the zset member that the scripts read. */
function holdText(hold: HoldOrder): string {
  const head = `${hold.recordId} ${hold.tags.join(',')} ${hold.granted}`;
  return hold.member === '' ? head : `${head} ${hold.member}`;
}

/** Undefined = cold. */
function readStanding(reply: Reply): Standing | undefined {
  if (reply.peek() === '') {
    reply.text();
    return undefined;
  }
  return {
    total: reply.bigint(),
    fiveHour: reply.bigint(),
    daily: reply.bigint(),
    weekly: reply.bigint(),
    monthly: reply.bigint(),
  };
}

function dimensionOf(text: string): Dimension {
  const dimension = dimensions.find((known) => known === text);
  if (dimension === undefined) throw new TypeError(`a script named the dimension ${text}`);
  return dimension;
}

function readReserve(order: ReserveOrder, reply: Reply): ReserveAnswer {
  const status = reply.text();
  if (status === 'cold') {
    const subjects: number[] = [];
    while (!reply.done) subjects.push(reply.number());
    return { status, subjects };
  }
  if (status === 'refused') {
    return { status, subject: reply.number(), dimension: dimensionOf(reply.text()), current: reply.bigint() };
  }
  const granted = reply.bigint();
  const sequence = reply.number();
  const boundProvider = reply.number();
  const alternative = reply.number() === 1;
  const { session } = order;
  const member = session === undefined ? '' : alternative ? (session.alternative ?? '') : session.member;
  return {
    status: 'taken',
    hold: {
      slot: order.slot,
      recordId: order.recordId,
      tags: order.subjects.map((subject) => subject.tag),
      granted,
      member,
    },
    sequence,
    boundProvider,
    alternative,
    standings: order.subjects.map(() => readStanding(reply)),
  };
}

/**
 * Limits in Redis (6.2 or newer; single server or Cluster), one script call per step. Rejects whatever the client rejects:
 * time limits and what to do without Redis are the business of `failover-store.ts`. Does not own the client.
 */
export class RedisStore implements LimitStore {
  readonly #redis: RedisClient;
  readonly #scripts: ScriptRunner;

  constructor(redis: RedisClient) {
    this.#redis = redis;
    this.#scripts = new ScriptRunner(redis);
  }

  async reserve(order: ReserveOrder): Promise<ReserveAnswer> {
    const { slot, session } = order;
    const keys = [
      ...livingKeys(slot),
      keyOf(slot, 'rpm'),
      sessionKey(slot, session?.member ?? ''),
      sessionKey(slot, session?.alternative ?? ''),
      ...order.subjects.map((subject) => keyOf(slot, `spend:${subject.tag}`)),
    ];
    const args: (string | number)[] = [
      ...positionArguments(order.position),
      order.leaseUntil,
      order.recordId,
      order.subjects.map((subject) => subject.tag).join(','),
      session?.member ?? '',
      session?.alternative ?? '',
      order.sessionTtlMs,
      String(order.estimate),
      String(order.minimum),
      order.rpm,
    ];
    for (const { tag, signature, hard, dayStart, concurrent, limits } of order.subjects) {
      args.push(tag, signature, hard ? 1 : 0, dayStart, concurrent);
      args.push(String(limits.total), String(limits.fiveHour), String(limits.daily), String(limits.weekly), String(limits.monthly));
    }
    return readReserve(order, new Reply(await this.#scripts.run(scripts.reserve, keys, args)));
  }

  async settle(order: SettleOrder): Promise<SettleAnswer> {
    const { hold, spent, binding } = order;
    const { slot } = hold;
    const keys = [
      ...livingKeys(slot),
      keyOf(slot, 'settled'),
      sessionKey(slot, hold.member),
      ...order.subjects.flatMap(({ tag }) => [keyOf(slot, `spend:${tag}`), keyOf(slot, `pending:${tag}`)]),
    ];
    const args: (string | number)[] = [
      ...positionArguments(order.position),
      hold.recordId,
      holdText(hold),
      spent === undefined ? '' : String(spent.nanos),
      spent?.startedAt ?? 0,
      spent?.settledAt ?? 0,
      spent?.idleUntil ?? 0,
      order.weekStart,
      order.monthStart,
      binding?.rule ?? '',
      binding?.providerId ?? 0,
      binding?.ttlMs ?? 0,
    ];
    for (const { tag, limited, dayStart } of order.subjects) args.push(tag, limited ? 1 : 0, dayStart);
    const reply = new Reply(await this.#scripts.run(scripts.settle, keys, args));
    const status = reply.text();
    return {
      status: status === 'settled' || status === 'duplicate' ? status : 'released',
      standings: order.subjects.map(() => readStanding(reply)),
    };
  }

  async renew(slot: string, holds: readonly HoldOrder[], now: number, leaseUntil: number): Promise<void> {
    await this.#scripts.run(scripts.renew, livingKeys(slot), [now, leaseUntil, ...holds.map(holdText)]);
  }

  async claim({ slot, tag, signature, token, now, claimUntil }: ClaimOrder): Promise<'yours' | 'busy' | 'warm'> {
    const keys = [keyOf(slot, `spend:${tag}`)];
    const answer = await this.#scripts.run(scripts.claim, keys, [signature, token, now, claimUntil]);
    return answer === 'yours' || answer === 'warm' ? answer : 'busy';
  }

  async seed({ slot, tag, token, position, seed }: SeedOrder): Promise<'seeded' | 'lost'> {
    const keys = [keyOf(slot, `spend:${tag}`), keyOf(slot, `pending:${tag}`), keyOf(slot, 'settled')];
    const args: (string | number)[] = [
      token,
      seed.signature,
      seed.rolling ? 'r' : 'f',
      seed.provisionalUntil,
      seed.recentSince,
      String(seed.total),
      seed.week.start,
      String(seed.week.nanos),
      seed.month.start,
      String(seed.month.nanos),
      seed.day.start,
      String(seed.day.nanos),
      position.fiveHourLow,
      position.dayLow,
      position.now,
    ];
    for (const buckets of [seed.fiveHourBuckets, seed.dayBuckets]) {
      args.push(buckets.length, ...buckets.flatMap(({ bucket, nanos }) => [bucket, String(nanos)]));
    }
    args.push(seed.recent.length);
    args.push(...seed.recent.flatMap(({ recordId, nanos, startedAt }) => [recordId, String(nanos), startedAt]));
    return (await this.#scripts.run(scripts.seed, keys, args)) === 'seeded' ? 'seeded' : 'lost';
  }

  async forget(slot: string, tag: string): Promise<void> {
    await this.#redis.hdel(keyOf(slot, `spend:${tag}`), 'sig');
  }

  async peek({ slot, position, subjects }: PeekOrder): Promise<PeekAnswer> {
    const keys = [...livingKeys(slot), keyOf(slot, 'rpm'), ...subjects.map(({ tag }) => keyOf(slot, `spend:${tag}`))];
    const args = [...positionArguments(position), ...subjects.flatMap(({ tag, signature, dayStart }) => [tag, signature, dayStart])];
    const reply = new Reply(await this.#scripts.run(scripts.peek, keys, args));
    return {
      rpm: reply.number(),
      subjects: subjects.map(() => ({
        sessions: reply.number(),
        held: reply.bigint(),
        spent: readStanding(reply),
      })),
    };
  }

  async bind(slot: string, member: string, { providerId, rule, ttlMs }: BindingOrder): Promise<void> {
    await this.#scripts.run(scripts.bind, [sessionKey(slot, member)], [rule, providerId, ttlMs]);
  }

  async terminate(slot: string, member: string): Promise<void> {
    const [, sessions = '', live = ''] = livingKeys(slot);
    await this.#scripts.run(scripts.terminate, [sessions, live, sessionKey(slot, member)], [member]);
  }

  async heartbeat(nodeId: string, now: number, until: number): Promise<Heartbeat> {
    // One key, so no script: the three commands may interleave with other nodes' without harm.
    const answers = await this.#redis
      .pipeline()
      .zadd(NODES_KEY, until, nodeId)
      .zremrangebyscore(NODES_KEY, '-inf', now)
      .zcard(NODES_KEY)
      .exec();
    const [added, , count] = (answers ?? []).map(([failure, value]) => {
      if (failure !== null) throw failure;
      return Number(value);
    });
    return { nodes: Math.max(1, count ?? 1), forgotten: added === 1 };
  }
}
