import { eventually, type Hub, redisControllable, startHub, startRedis, type TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

describe.skipIf(!redisControllable)('WORKERS=2', () => {
  let hub: Hub;
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
    hub = await startHub({
      redis,
      // Exact limits are asked of a machine that may be busy with other tests.
      env: { WORKERS: '2', HUB_REDIS_TIMEOUT_MS: '5000' },
     });
    await hub.createProvider();
  });
  afterAll(async () => {
    await hub.stop();
    await redis.stop();
  });
  const ask = (key: string) => hub.send('/v1/messages', { model: 'claude-sonnet-4-5', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }, { key, headers: { connection: 'close' } });
  const ops = (path: string) => fetch(`http://127.0.0.1:${hub.dataPlanes[0]?.ports['ops']}${path}`);

  it('share one port, one limit and one set of numbers', async () => {
    const { key } = await hub.createUser({ rpm: 20 });
    const statuses = await Promise.all(Array.from({ length: 60 }, async () => (await ask(key)).status));
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(await hub.waitForRows(20)).toHaveLength(20);
    const nodes = await hub.database.query('SELECT node_id FROM hub_node');
    expect(nodes).toHaveLength(2);
    const text = await (await ops('/metrics')).text();
    expect(Number(/^hub_requests_total\{format="claude",outcome="ok",status="200"\} (\d+)$/m.exec(text)?.[1])).toBe(20);
    expect((await ops('/readyz')).status).toBe(200);
  });

  it('a worker that dies is replaced, and what it had taken is recorded', async () => {
    const { key } = await hub.createUser();
    const before = (await hub.rows()).length;
    const pids = async () => {
      const { execFileSync } = await import('node:child_process');
      try {
        return execFileSync('pgrep', ['-P', String(hub.dataPlanes[0]?.pid)], { encoding: 'utf8' }).trim().split('\n').map(Number);
      } catch {
        return [];
      }
    };
    const [victim, survivor] = await pids();
    if (victim === undefined) throw new Error('no worker');
    process.kill(victim, 'SIGKILL');
    await eventually(() => 'a new worker', async () => {
      const now = await pids();
      return now.length === 2 && !now.includes(victim) && now.includes(survivor ?? 0) ? true : undefined;
    });
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await ask(key)).status));
    expect(statuses.every((status) => status === 200)).toBe(true);
    await hub.waitForRows(before + 10);
  });
});
