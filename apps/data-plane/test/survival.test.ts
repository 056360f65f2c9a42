import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '@hub/postgres';
import { silentLogger } from '@hub/service';
import { eventually, type Hub, redisControllable, stallAfter, startHub, startRedis, type TestDatabase, type TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Both planes as real processes; their parts die one after the other, in every way. */

const price = { 'claude-sonnet-4-5': { input_cost_per_token: 3e-6, output_cost_per_token: 15e-6 } };
let marker = 0;

function ask(hub: Hub, key: string, init: { dataPlane?: number; stream?: boolean; session?: string; signal?: AbortSignal } = {}): Promise<Response> {
  const session = init.session ?? `s-${++marker}`;
  const body = {
    model: 'claude-sonnet-4-5',
    max_tokens: 64,
    stream: init.stream ?? false,
    messages: [{ role: 'user', content: 'hello' }],
    metadata: { user_id: `user_x_account__session_${session}` },
  };
  return hub.send('/v1/messages', body, { key, ...(init.dataPlane !== undefined && { dataPlane: init.dataPlane }), ...(init.signal && { signal: init.signal }) });
}

async function statusOf(pending: Promise<Response>): Promise<number> {
  const response = await pending;
  await response.text();
  return response.status;
}

describe('kill -9', () => {
  let hub: Hub;
  let key: string;
  beforeAll(async () => {
    hub = await startHub();
    await hub.setPrices(price);
    await hub.createProvider();
    key = (await hub.createUser()).key;
  });
  afterAll(() => hub.stop());

  it('of the data plane while requests run: after its restart every request that it had taken has exactly one row', async () => {
    const before = (await hub.rows()).length;
    const finished = await Promise.all(Array.from({ length: 20 }, () => statusOf(ask(hub, key))));
    expect(finished.every((status) => status === 200)).toBe(true);
    const stalls = Array.from({ length: 5 }, () => stallAfter(5));
    for (const stall of stalls) hub.upstream.respond(stall);
    const running = await Promise.all(stalls.map(() => ask(hub, key, { stream: true })));
    await hub.kill('data-plane', 'SIGKILL');
    await Promise.all(running.map((response) => response.text().catch(() => 'cut')));
    for (const stall of stalls) stall.resume();
    await hub.restart('data-plane');
    const rows = (await hub.waitForRows(before + 25)).slice(before);
    expect(rows).toHaveLength(25);
    expect(new Set(rows.map((row) => row['record_id'])).size).toBe(25);
    expect(rows.filter((row) => row['status_code'] === 200)).toHaveLength(20);
    expect(rows.filter((row) => row['status_code'] === 500 && row['duration_ms'] !== null)).toHaveLength(5);
    expect(await statusOf(ask(hub, key))).toBe(200);
    await hub.waitForRows(before + 26);
  });

  it('of the control plane: requests go on, rows come when it is back, changes too', async () => {
    const before = (await hub.rows()).length;
    await hub.kill('control-plane', 'SIGKILL');
    const statuses = await Promise.all(Array.from({ length: 20 }, () => statusOf(ask(hub, key))));
    expect(statuses.every((status) => status === 200)).toBe(true);
    await hub.restart('control-plane');
    expect((await hub.waitForRows(before + 20)).length).toBe(before + 20);
    const late = await hub.createUser();
    expect(await statusOf(ask(hub, late.key))).toBe(200);
    await hub.waitForRows(before + 21);
  });

  it('of both: the data plane starts alone, from its disk', async () => {
    const before = (await hub.rows()).length;
    await hub.kill('control-plane', 'SIGKILL');
    await hub.kill('data-plane', 'SIGKILL');
    await hub.restart('data-plane');
    expect(await statusOf(ask(hub, key))).toBe(200);
    await hub.restart('control-plane');
    expect((await hub.waitForRows(before + 1)).length).toBe(before + 1);
  });
});

describe('PostgreSQL stops', () => {
  // I04 in docs/complaints.md.
  it('requests go on and their rows are there when it is back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hub-own-pg-'));
    // The server runs as another account when we are root.
    chmodSync(folder, 0o755);
    const log = silentLogger;
    const first = await startEmbedded({ dataDir: folder, engine: 'postgres', durable: false, log });
    const { Client } = await import('pg');
    const query: TestDatabase['query'] = async (sql, parameters) => {
      const client = new Client({ connectionString: first.url });
      await client.connect();
      try {
        return (await client.query(sql, parameters === undefined ? undefined : [...parameters])).rows;
      } finally {
        await client.end();
      }
    };
    const hub = await startHub({ database: { url: first.url, query, drop: async () => {} } });
    try {
      await hub.createProvider();
      const { key } = await hub.createUser();
      expect(await statusOf(ask(hub, key))).toBe(200);
      await first.stop();
      const statuses = await Promise.all(Array.from({ length: 10 }, () => statusOf(ask(hub, key))));
      expect(statuses.every((status) => status === 200)).toBe(true);
      const second = await startEmbedded({ dataDir: folder, engine: 'postgres', durable: false, log });
      await eventually(
        () => '11 rows',
        async () => (Number((await query('SELECT count(*) FROM message_request'))[0]?.['count']) === 11 ? true : undefined),
        { timeoutMs: 30_000, intervalMs: 100 },
      );
      await hub.stop();
      await second.stop();
    } finally {
      await hub.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe.skipIf(!redisControllable)('Redis', () => {
  let hub: Hub;
  let redis: TestRedis;
  let key: string;
  beforeAll(async () => {
    redis = await startRedis();
    hub = await startHub({ redis, dataPlanes: 2 });
    await hub.setPrices(price);
    await hub.createProvider();
    key = (await hub.createUser({ rpm: 100_000, limitTotalUsd: 1000, limitConcurrentSessions: 500 })).key;
    for (const dataPlane of [0, 1]) expect(await statusOf(ask(hub, key, { dataPlane }))).toBe(200);
  });
  afterAll(async () => {
    redis.thaw();
    await hub.stop();
    await redis.stop();
  });
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${hub.dataPlanes[0]?.ports['ops']}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  };
  const parallel = (count: number) => Promise.all(Array.from({ length: count }, (_, index) => statusOf(ask(hub, key, { dataPlane: index % 2 }))));

  // I01 in docs/complaints.md.
  it('frozen: nobody hangs, nobody is refused, the node says that it is on its own and comes back', async () => {
    redis.freeze();
    expect((await parallel(20)).every((status) => status === 200)).toBe(true);
    expect(await metric('hub_limits_local')).toBe(1);
    redis.thaw();
    await eventually(() => 'the shared mode', async () => ((await metric('hub_limits_local')) === 0 ? true : undefined));
    expect((await parallel(10)).every((status) => status === 200)).toBe(true);
  });

  it('killed and started again empty: requests go on, what was spent is known again', async () => {
    await redis.kill();
    expect((await parallel(20)).every((status) => status === 200)).toBe(true);
    await redis.start();
    await eventually(() => 'the shared mode', async () => ((await metric('hub_limits_local')) === 0 ? true : undefined));
    expect((await parallel(10)).every((status) => status === 200)).toBe(true);
    const spent = Number((await hub.database.query('SELECT sum(cost_usd) FROM message_request'))[0]?.['sum']);
    const { userId } = (await hub.database.query('SELECT min(user_id) AS "userId" FROM message_request'))[0] as { userId: number };
    await hub.change('users/editUser', { userId, limitTotalUsd: Math.floor(spent * 100) / 100 });
    await eventually(() => 'the refusal', async () => ((await statusOf(ask(hub, key))) === 402 ? true : undefined));
  });

  it('everything is away at once while a data plane starts', async () => {
    const before = (await hub.rows()).length;
    const other = await hub.createUser();
    await eventually(() => 'the configuration to be on disk', async () => ((await metric('hub_config_unsaved')) === 0 ? true : undefined));
    await hub.kill('control-plane', 'SIGKILL');
    await redis.kill();
    await hub.kill('data-plane', 'SIGKILL');
    await hub.restart('data-plane');
    expect(await statusOf(ask(hub, other.key, { dataPlane: 0 }))).toBe(200);
    await redis.start();
    await hub.restart('control-plane');
    await hub.waitForRows(before + 1);
  });
});
