import { silentLogger } from '@hub/service';
import { redisAvailable, redisClusterAvailable, redisControllable, startRedis } from '@hub/testkit';
import type { TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { BreakerRules, Breakers, BreakerTransition, Permit, RedisClient } from '../src/index.ts';
import { createBreakers, openRedis } from '../src/index.ts';
import { newId, NOW } from './world.ts';

const rules: BreakerRules = { failureThreshold: 3, openMs: 1000, halfOpenSuccesses: 2 };

async function permit(breakers: Breakers, id: number, now = NOW): Promise<Permit> {
  const given = await breakers.acquire(id, rules, now);
  if (given === undefined) throw new Error('no permit');
  return given;
}

/** @param several two nodes, or twice the same */
function breakersContract(several: () => readonly [Breakers, Breakers]): void {
  it('opens for all nodes, is tried by a bounded number, and closes for all', async () => {
    const [one, two] = several();
    const id = newId();
    for (const node of [one, two, one]) (await permit(node, id)).failure(NOW);
    await Promise.all([one.settled(), two.settled()]);
    for (const node of [one, two]) await expect.poll(() => node.phase(id, rules, NOW + 999)).toBe('open');
    expect(await one.acquire(id, rules, NOW + 999)).toBeUndefined();
    const tried = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : two).acquire(id, rules, NOW + 1000)),
    );
    const trials = tried.flatMap((given) => given ?? []);
    expect(trials.map(({ trial }) => trial)).toEqual([true, true]);
    for (const trial of trials) trial.success(NOW + 1001);
    await Promise.all([one.settled(), two.settled()]);
    for (const node of [one, two]) await expect.poll(() => node.record(id)).toMatchObject({ phase: 'closed', failures: 0 });
  });

  it('counts every failure once, however many report at the same time', async () => {
    const [one, two] = several();
    const id = newId();
    const many = { ...rules, failureThreshold: 100 };
    const permits = await Promise.all(Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? one : two).acquire(id, many, NOW)));
    for (const given of permits) {
      given?.failure(NOW);
      given?.failure(NOW);
      given?.success(NOW);
    }
    await Promise.all([one.settled(), two.settled()]);
    for (const node of [one, two]) await expect.poll(() => node.record(id).failures).toBe(30);
    (await permit(two, id)).success(NOW);
    await two.settled();
    await expect.poll(() => one.record(id).failures).toBe(0);
  });

  it('a trial that says nothing makes room for the next, a failed one opens again', async () => {
    const [one] = several();
    const id = newId();
    for (let time = 0; time < 3; time += 1) (await permit(one, id)).failure(NOW);
    await one.settled();
    const [first, second] = [await permit(one, id, NOW + 1000), await permit(one, id, NOW + 1000)];
    expect(await one.acquire(id, rules, NOW + 1000)).toBeUndefined();
    first.release(NOW + 1001);
    await one.settled();
    await permit(one, id, NOW + 1002);
    second.failure(NOW + 1003);
    await one.settled();
    expect(one.phase(id, rules, NOW + 2002)).toBe('open');
    await one.probed(id, NOW + 1500);
    expect(one.phase(id, rules, NOW + 1500)).toBe('half-open');
    await one.reset(id);
    expect(one.record(id)).toMatchObject({ phase: 'closed', failures: 0 });
  });

  it('tells of each transition, and to one node only as its own', async () => {
    const [one, two] = several();
    const id = newId();
    const seen: BreakerTransition[] = [];
    for (const node of new Set([one, two])) onTestFinished(node.onTransition((transition) => void (transition.providerId === id && seen.push(transition))));
    for (const node of [one, two, two]) (await permit(node, id)).failure(NOW);
    await Promise.all([one.settled(), two.settled()]);
    await expect.poll(() => seen.length).toBe(new Set([one, two]).size);
    expect(seen.filter(({ own }) => own)).toHaveLength(1);
    expect(seen[0]).toMatchObject({ from: 'closed', to: 'open', record: { failures: 3, openUntil: NOW + 1000 } });
  });
}

describe('breakers in memory', () => {
  const breakers = createBreakers({ clock: { now: () => NOW }, log: silentLogger });
  breakersContract(() => [breakers, breakers]);
});

for (const [name, cluster, available] of [
  ['on a Redis server', false, redisAvailable],
  ['on a Redis Cluster', true, redisClusterAvailable],
] as const) {
  describe.skipIf(!available)(`breakers ${name}`, () => {
    let server: TestRedis;
    const clients: RedisClient[] = [];
    const nodes: Breakers[] = [];
    beforeAll(async () => {
      server = await startRedis({ cluster });
      for (let node = 0; node < 2; node += 1) {
        const redis = await openRedis({ urls: server.urls.join(','), log: silentLogger, waitMs: 10_000 });
        clients.push(redis);
        nodes.push(createBreakers({ redis, clock: { now: () => NOW }, log: silentLogger, redisTimeoutMs: 2000, compareEveryMs: 100 }));
      }
    });
    afterAll(async () => {
      for (const node of nodes) node.close();
      for (const client of clients) client.disconnect();
      await server.stop();
    });
    const several = (): readonly [Breakers, Breakers] => {
      const [one, two] = nodes;
      if (one === undefined || two === undefined) throw new Error('not open yet');
      return [one, two];
    };

    breakersContract(several);

    it('a node that starts later learns what is open', async () => {
      const [one] = several();
      const id = newId();
      for (let time = 0; time < 3; time += 1) (await permit(one, id)).failure(NOW);
      await one.settled();
      const redis = clients[0];
      const late = createBreakers({ redis, clock: { now: () => NOW }, log: silentLogger, redisTimeoutMs: 2000 });
      onTestFinished(() => late.close());
      await late.watch([id]);
      expect(late.phase(id, rules, NOW)).toBe('open');
    });

    it.skipIf(!redisControllable && !cluster)('go on alone while Redis is away, and tell it when it is back', async () => {
      const [one, two] = several();
      const [openedBefore, openedMeanwhile] = [newId(), newId()];
      await two.watch([openedBefore, openedMeanwhile]);
      for (let time = 0; time < 3; time += 1) (await permit(one, openedBefore)).failure(NOW);
      await one.settled();
      await expect.poll(() => two.phase(openedBefore, rules, NOW)).toBe('open');
      await server.kill();
      for (let time = 0; time < 3; time += 1) (await permit(one, openedMeanwhile)).failure(NOW);
      await one.settled();
      expect(one.phase(openedMeanwhile, rules, NOW)).toBe('open');
      expect(one.phase(openedBefore, rules, NOW)).toBe('open');
      await server.start();
      await expect.poll(() => two.phase(openedMeanwhile, rules, NOW), { timeout: 20_000 }).toBe('open');
      expect(two.phase(openedBefore, rules, NOW)).toBe('open');
    });
  });
}
