import { create, wire } from '@hub/contract';
import { healthy } from '@hub/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { key, messages, settings, user } from '../boot.ts';
import { chainOf, prices, providerAt, useWorld } from './world.ts';

/** What users of other gateways complained about: windows that begin at the wrong moment, memories that are too short. */

const world = useWorld();
const hour = 3_600_000;
const daily = { limits: create(wire.SpendLimitsSchema, { dailyNanos: 1n }) };

describe('the day', () => {
  const zones = [['Asia/Shanghai', 8], ['Asia/Kathmandu', 5.75], ['America/Bogota', -5]] as const;

  it.each(zones.flatMap(([zone, offset]) => (['key', 'user'] as const).map((whose) => [zone, offset, whose] as const)))(
    'B04, B05 ends at midnight of %s (UTC%d), for the %s as for everybody',
    async (timeZone, offset, whose) => {
      const id = 100 + zones.findIndex(([zone]) => zone === timeZone) * 2 + (whose === 'key' ? 0 : 1);
      const rows = [user({ id, ...(whose === 'user' && daily) }), key({ id, userId: id, ...(whose === 'key' && daily) })];
      await world.controlPlane.waitForAck(world.controlPlane.publish([settings({ timeZone }), ...prices, ...rows, providerAt(world, 'main')]));
      expect((await messages(world.hub.url)).status).toBe(200);
      const before = Date.now();
      const { error } = (await (await messages(world.hub.url)).json()) as { error: { limit_type: string; reset_time: string } };
      expect(error.limit_type).toBe('daily_quota');
      const dayOf = (time: number) => Math.floor((time + offset * hour) / (24 * hour));
      const midnights = [before, Date.now()].map((time) => (dayOf(time) + 1) * 24 * hour - offset * hour);
      expect(midnights).toContain(Date.parse(error.reset_time));
    },
  );
});

describe('a conversation that rests', () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  const turns = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }];
  const restFor = (ms: number) => {
    const now = Date.now();
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(now + ms);
  };

  it.each([
    ['an hour’s cache was written', {}, { cacheWrite1h: 500 }, 50, 'session_reuse'],
    ['an hour’s cache was asked for', { cacheTtlPreference: '1h' }, { cacheRead: 500 }, 50, 'session_reuse'],
    ['nothing is cached so long', {}, { cacheWrite5m: 500 }, 6, 'initial_selection'],
  ] as const)('B07 stays with its provider while that keeps its prompt: %s', async (name, ofKey, usage, minutes, reason) => {
    await world.publish(key(ofKey), providerAt(world, 'one'));
    world.upstream.always(healthy({ usage }), 'one');
    const ask = async () => (await messages(world.hub.url, { body: { messages: turns, metadata: { user_id: `user_a_account__session_${name}` } } })).text();
    await ask();
    restFor(minutes * 60_000);
    await ask();
    const records = await world.controlPlane.waitForRecords(2);
    expect(records.map((record) => chainOf(record)[0]?.reason)).toEqual(['initial_selection', reason]);
  });
});
