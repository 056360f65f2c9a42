import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { compile, emptySnapshot } from './compile.ts';
import * as wire from './gen/hub/v1/config_pb.ts';

type Fields<M> = Omit<Partial<M>, '$typeName' | '$unknown'>;
type EntityInit = wire.Entity['entity'];
const entities = (...inits: EntityInit[]) => inits.map((entity) => create(wire.EntitySchema, { entity }));
const userOf = (init: Fields<wire.User>): EntityInit => ({ case: 'user', value: create(wire.UserSchema, { id: 1, ...init }) });
const keyOf = (init: Fields<wire.Key>): EntityInit => ({ case: 'key', value: create(wire.KeySchema, { id: 1, userId: 1, sha256: new Uint8Array(32), ...init }) });
const providerOf = (init: Fields<wire.Provider>): EntityInit => ({
  case: 'provider',
  value: create(wire.ProviderSchema, { id: 1, url: 'https://api.example', providerType: 'claude', ...init }),
});
const full = (...inits: EntityInit[]) => compile(emptySnapshot, { version: 'v1', full: true, upserts: entities(...inits), deletes: [] });

describe('compile', () => {
  it('fills in what v0.3.42 means by nothing', () => {
    const { snapshot, problems } = full(userOf({}), keyOf({}), providerOf({}));
    expect(problems).toEqual([]);
    expect([...(snapshot.keys.get(1)?.groups ?? [])]).toEqual(['default']);
    expect(snapshot.providers.get(1)).toMatchObject({ costMultiplier: '1', groupTag: null, context1m: 'inherit', onClientAbort: 'cancel', proxyUrl: undefined });
    expect(snapshot.users.get(1)?.limits).toMatchObject({ dailyNanos: undefined, dailyReset: { mode: 'fixed', minuteOfDay: 0 } });
    expect(snapshot.settings.maxRequestBodyBytes).toBe(33_554_432);
  });

  it('treats limits of 0 as none, and reads times of day', () => {
    const limits = create(wire.SpendLimitsSchema, { dailyNanos: 0n, weeklyNanos: 5n, concurrentSessions: 0, dailyResetTime: '9:30', dailyResetMode: 'fixed' });
    const compiled = full(userOf({ limits, rpm: 0 })).snapshot.users.get(1);
    expect(compiled?.rpm).toBeUndefined();
    expect(compiled?.limits).toMatchObject({ dailyNanos: undefined, weeklyNanos: 5n, concurrentSessions: undefined, dailyReset: { minuteOfDay: 570 } });
  });

  it.each([
    ['provider type', providerOf({ providerType: 'foo' }), /unknown provider type/],
    ['url', providerOf({ url: 'nope' }), /not a URL/],
    ['scheme', providerOf({ url: 'ftp://x' }), /http or https/],
    ['multiplier', providerOf({ costMultiplier: '-1' }), /cost_multiplier/],
    ['fingerprint', keyOf({ sha256: new Uint8Array(5) }), /32/],
    ['reset time', userOf({ limits: create(wire.SpendLimitsSchema, { dailyResetTime: '25:00' }) }), /time of day/],
    ['time zone', { case: 'settings', value: create(wire.SettingsSchema, { timeZone: 'Mars/Phobos' }) } as EntityInit, /time zone/],
  ])('says which row has a bad %s and keeps the others', (_name, bad, reason) => {
    const { snapshot, problems } = full(userOf({ id: 7 }), bad);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.reason).toMatch(reason);
    expect(snapshot.users.has(7)).toBe(true);
  });

  it('shares what a delta does not touch and never changes its base', () => {
    const { snapshot: base } = full(userOf({}), keyOf({}), providerOf({}));
    const { snapshot: next } = compile(base, {
      version: 'v2',
      full: false,
      upserts: entities(keyOf({ sha256: new Uint8Array(32).fill(1) })),
      deletes: [create(wire.EntityRefSchema, { kind: wire.EntityKind.USER, id: '1' })],
    });
    expect(next.providers).toBe(base.providers);
    expect(next.users.size).toBe(0);
    expect(base.users.size).toBe(1);
    expect(next.keysByFingerprint.size).toBe(1);
    expect(base.keysByFingerprint.keys().next().value).not.toBe(next.keysByFingerprint.keys().next().value);
    expect(Object.isFrozen(next)).toBe(true);
  });

  it('a full update forgets what it does not name', () => {
    const { snapshot: base } = full(userOf({}), keyOf({}));
    const { snapshot } = compile(base, { version: 'v2', full: true, upserts: entities(userOf({ id: 2 })), deletes: [] });
    expect([...snapshot.users.keys()]).toEqual([2]);
    expect(snapshot.keys.size).toBe(0);
  });
});
