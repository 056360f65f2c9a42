import { createLimiter, openRedis } from '@hub/limits';
import { silentLogger, systemClock } from '@hub/service';
import { type Behaviour, cutAfter, eventually, type Hub, hangUp, healthy, redisControllable, startHub, startRedis, status, type TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * Everything dies at random under traffic; then the books are audited. Some seconds in an ordinary run; `CHAOS_SECONDS=600`
 * for the long one.
 */
const seconds = Number(process.env['CHAOS_SECONDS'] ?? 12);
const price = { 'claude-sonnet-4-5': { input_cost_per_token: 3e-6, output_cost_per_token: 15e-6, cache_creation_input_token_cost: 3.75e-6, cache_read_input_token_cost: 3e-7 } };
const clients = 6;
/** A seeded generator, so that a run can be had again: `CHAOS_SEED`. */
let seed = Number(process.env['CHAOS_SEED'] ?? (Date.now() % 2_147_483_646) + 1);
const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

interface Sent {
  readonly session: string;
  outcome: 'answered' | 'refused' | 'broken' | 'left';
}

describe.skipIf(!redisControllable)('chaos', () => {
  let hub: Hub;
  let redis: TestRedis;
  let user: { id: number; key: string; keyId: number };
  const sent: Sent[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    hub = await startHub({ redis, dataPlanes: 2, env: { HUB_HOLD_LEASE_MS: '3000', HUB_DRAIN_TIMEOUT_MS: '2000', LOG_LEVEL: 'warn' } });
    await hub.setPrices(price);
    await hub.createProvider({ circuit_breaker_failure_threshold: 0, max_retry_attempts: 2 });
    await hub.createProvider({ circuit_breaker_failure_threshold: 0, url: hub.upstream.urlFor('backup'), priority: 5 });
    user = await hub.createUser({ rpm: 1_000_000, limitTotalUsd: 1000, limitConcurrentSessions: 500 });
  });
  afterAll(async () => {
    redis.thaw();
    await hub.stop();
    await redis.stop();
  });

  async function client(index: number, until: number): Promise<void> {
    for (let number = 0; Date.now() < until; number++) {
      const entry: Sent = { session: `c${index}-${number}`, outcome: 'broken' };
      sent.push(entry);
      entry.outcome = await oneRequest(entry.session).catch(() => 'broken' as const);
    }
  }

  async function oneRequest(session: string): Promise<Sent['outcome']> {
    const abort = new AbortController();
    const leaves = random() < 0.1;
    const body = {
      model: 'claude-sonnet-4-5',
      max_tokens: 64,
      stream: random() < 0.6,
      messages: [{ role: 'user', content: 'hello' }],
      metadata: { user_id: `user_x_account__session_${session}` },
    };
    const response = await hub.send('/v1/messages', body, { key: user.key, dataPlane: Math.floor(random() * 2), signal: abort.signal });
    if (leaves) {
      await response.body?.getReader().read();
      abort.abort();
      return 'left';
    }
    const text = await response.text();
    if (response.status !== 200) return 'refused';
    return text.includes('event: error') || (body.stream && !text.includes('message_stop')) ? 'broken' : 'answered';
  }

  const upstreamFaults: readonly Behaviour[] = [status(500), status(529), hangUp(), cutAfter(900), cutAfter(30), healthy()];
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  const faults: Readonly<Record<string, () => Promise<void>>> = {
    'kill a data plane': async () => {
      const plane = pick(['data-plane', 'data-plane-2'] as const);
      await hub.kill(plane, 'SIGKILL');
      await wait(200 * random());
      await hub.restart(plane);
    },
    'kill the control plane': async () => {
      await hub.kill('control-plane', 'SIGKILL');
      await wait(1000 * random());
      await hub.restart('control-plane');
    },
    'freeze Redis': async () => {
      redis.freeze();
      await wait(1500 * random());
      redis.thaw();
    },
    'restart Redis empty': async () => {
      await redis.kill();
      await wait(500 * random());
      await redis.start();
    },
    'break the upstream': async () => {
      for (let i = 0; i < 5; i++) hub.upstream.respond(pick(upstreamFaults));
    },
  };

  // C12 in docs/complaints.md.
  it(`${seconds} s, then the books balance`, { timeout: seconds * 1000 + 180_000 }, async () => {
    const started = seed;
    const until = Date.now() + seconds * 1000;
    const traffic = Promise.all(Array.from({ length: clients }, (_, index) => client(index, until)));
    const done: string[] = [];
    while (Date.now() < until) {
      const name = pick(Object.keys(faults));
      done.push(name);
      await faults[name]?.();
      await wait(300 * random());
    }
    await traffic;
    await audit(`seed ${started}: ${done.join(', ')}`);
  });

  async function audit(story: string): Promise<void> {
    const answered = sent.filter((entry) => entry.outcome === 'answered');
    expect(answered.length, story).toBeGreaterThan(seconds);
    const rows = await settledRows();
    const bySession = new Map<string, number>();
    for (const row of rows) bySession.set(String(row['session_id']), (bySession.get(String(row['session_id'])) ?? 0) + 1);
    // Every request that the provider saw was admitted, and every admitted request has exactly one row.
    const seen = new Set(hub.upstream.requests.map((request) => /session_(c\d+-\d+)/.exec(request.text)?.[1] ?? ''));
    for (const session of seen) expect(bySession.get(session), `${session}; ${story}`).toBe(1);
    for (const entry of sent) expect(bySession.get(entry.session) ?? 0, `${entry.session} ${entry.outcome}; ${story}`).toBeLessThanOrEqual(1);
    for (const entry of answered) expect(bySession.get(entry.session), `${entry.session}; ${story}`).toBe(1);
    checkCosts(rows, new Set(answered.map((entry) => entry.session)), story);
    await checkCounters(story);
  }

  /** All rows, once no data plane has anything left to deliver. */
  async function settledRows() {
    await eventually(
      () => 'the ledgers to be empty',
      async () => {
        const backlogs = await Promise.all(hub.dataPlanes.map((plane) => metric(plane.ports['ops'], 'hub_ledger_backlog_records')));
        const running = await Promise.all(hub.dataPlanes.map((plane) => metric(plane.ports['ops'], 'hub_requests_in_flight')));
        return [...backlogs, ...running].every((value) => value === 0) ? true : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 200 },
    );
    return hub.rows();
  }

  async function metric(port: number | undefined, name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  }

  /** What the scripted provider serves is always the same, so every whole answer costs the same. */
  function checkCosts(rows: Awaited<ReturnType<Hub['rows']>>, answered: ReadonlySet<string>, story: string): void {
    const whole = rows.filter((row) => answered.has(String(row['session_id'])));
    const costs = new Set(whole.map((row) => Number(row['cost_usd']).toFixed(15)));
    expect([...costs], story).toHaveLength(1);
    expect(Number([...costs][0]), story).toBeGreaterThan(0);
    for (const row of rows) if (Number(row['status_code']) >= 400 && row['output_tokens'] === null) expect(Number(row['cost_usd'] ?? 0), story).toBe(0);
  }

  async function checkCounters(story: string): Promise<void> {
    const client = await openRedis({ urls: redis.url, log: silentLogger });
    const limiter = createLimiter({ redis: client, warm: () => Promise.reject(new Error('not asked for')), clock: systemClock, log: silentLogger });
    const rules = { fiveHourNanos: undefined, dailyNanos: undefined, weeklyNanos: undefined, monthlyNanos: undefined, totalNanos: 1_000_000_000_000n, concurrentSessions: 500, dailyReset: { mode: 'fixed' as const, minuteOfDay: 0 } };
    const subject = { kind: 'user' as const, id: user.id, rules };
    const [{ sum } = {}] = await hub.database.query('SELECT sum(round(cost_usd * 1000000000)) AS sum FROM message_request');
    try {
      await eventually(
        () => `counters to equal rows; ${story}`,
        async () => {
          const [now] = await limiter.peekUser(subject, [], Date.now(), 'Asia/Shanghai');
          // A request makes cold counters warm again.
          if (now?.spent === undefined) await (await hub.send('/v1/messages', { model: 'claude-none', messages: [] }, { key: user.key })).text();
          return now?.spent?.total === BigInt(String(sum)) && now.heldNanos === 0n ? true : undefined;
        },
        { timeoutMs: 30_000, intervalMs: 300 },
      );
      const holds = await Promise.all(hub.dataPlanes.map((plane) => metric(plane.ports['ops'], 'hub_limits_holds')));
      expect(holds, story).toEqual([0, 0]);
    } finally {
      await limiter.close();
      client.disconnect();
    }
  }
});
