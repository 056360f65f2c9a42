import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, wire } from '@hub/contract';
import { eventually, type ScriptedUpstream, startUpstream } from '@hub/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { key, messages, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
const hubs: TestGateway[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(() => upstream.close());
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.stop();
  await controlPlane.stop();
});

async function boot(options: Parameters<typeof startGateway>[1] = {}): Promise<TestGateway> {
  const hub = await startGateway(controlPlane, options);
  hubs.push(hub);
  return hub;
}

describe('the configuration of a data plane', () => {
  it('a delta changes what it names and nothing else', async () => {
    controlPlane = await startControlPlane();
    const version = controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
    const hub = await boot();
    controlPlane.send({ version: 'd1', baseVersion: version, upserts: [{ entity: key({ enabled: false }) }], last: true });
    await controlPlane.waitForAck('d1');
    expect((await messages(hub.url)).status).toBe(401);
    controlPlane.send({ version: 'd2', baseVersion: 'd1', upserts: [{ entity: key() }], deletes: [{ kind: wire.EntityKind.PROVIDER, id: '1' }], last: true });
    await controlPlane.waitForAck('d2');
    expect((await messages(hub.url)).status).toBe(503);
  });

  it('a version that cannot be compiled, or that builds on another one, is refused whole and with a reason', async () => {
    controlPlane = await startControlPlane();
    const version = controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
    const hub = await boot();
    controlPlane.send({
      version: 'bad',
      baseVersion: version,
      upserts: [{ entity: key({ enabled: false }) }, { entity: provider({ id: 2, url: 'not a url' }) }],
      last: true,
    });
    await eventually(() => 'a nack', async () => controlPlane.nacks[0]);
    expect(controlPlane.nacks[0]).toMatchObject({ version: 'bad', servingVersion: version, reason: expect.stringContaining('PROVIDER 2: url') });
    controlPlane.send({ version: 'lost', baseVersion: 'elsewhere', upserts: [], last: true });
    await eventually(() => 'a second nack', async () => controlPlane.nacks[1]);
    expect((await messages(hub.url)).status).toBe(200);
  });

  it('batches of one version come into force together', async () => {
    controlPlane = await startControlPlane();
    controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
    const hub = await boot();
    controlPlane.send({ version: 'two', full: true, upserts: [{ entity: settings() }, { entity: user() }], last: false });
    controlPlane.send({ version: 'two', full: true, upserts: [{ entity: key({}, 'sk-another') }], last: true });
    await controlPlane.waitForAck('two');
    expect((await messages(hub.url)).status).toBe(401);
    expect((await messages(hub.url, { headers: { 'x-api-key': 'sk-another' } })).status).toBe(503);
  });

  it('boots and serves from its sealed snapshot on disk while the control plane is away', async () => {
    controlPlane = await startControlPlane();
    controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url, apiKey: 'sk-upstream-secret-1' })]);
    const first = await startGateway(controlPlane);
    await first.stop();
    await controlPlane.stop();
    const stored = readFileSync(join(first.dataDir, 'snapshot.bin'));
    expect(stored.includes('sk-upstream-secret-1')).toBe(false);
    const second = await boot({ dataDir: first.dataDir });
    expect((await messages(second.url)).status).toBe(200);
    expect(second.gateway.config.connected).toBe(false);
  });

  it('does not open a snapshot that was sealed under another key', async () => {
    controlPlane = await startControlPlane();
    controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
    const first = await startGateway(controlPlane);
    await first.stop();
    const elsewhere = await startControlPlane();
    const second = await startGateway(elsewhere, { dataDir: first.dataDir, env: { HUB_MASTER_KEY: 'another-key-of-good-length' }, waitForConfig: false });
    hubs.push(second);
    const response = await messages(second.url);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    await elsewhere.stop();
  });

  it('finds the control plane again after it was away', async () => {
    controlPlane = await startControlPlane();
    const port = Number(controlPlane.address.split(':')[1]);
    controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
    const hub = await boot();
    await controlPlane.stop();
    await eventually(() => 'the loss to be noticed', async () => !hub.gateway.config.connected || undefined);
    expect((await messages(hub.url)).status).toBe(200);
    controlPlane = await startControlPlane(port);
    // Versions of this control plane count from 1 again; equal ones would mean equal configurations.
    controlPlane.publish([]);
    controlPlane.publish([settings(), user({ enabled: false }), key(), provider({ url: upstream.url })]);
    await eventually(() => 'the new configuration', async () => (await messages(hub.url)).status === 401 || undefined);
  });

  it('one key text may move from a deleted row to a new one', async () => {
    controlPlane = await startControlPlane();
    const version = controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
    const hub = await boot();
    const moved = create(wire.EntitySchema, { entity: key({ id: 9 }, testKey) });
    controlPlane.send({ version: 'm1', baseVersion: version, upserts: [moved], last: true });
    controlPlane.send({ version: 'm2', baseVersion: 'm1', deletes: [{ kind: wire.EntityKind.KEY, id: '1' }], last: true });
    await controlPlane.waitForAck('m2');
    expect((await messages(hub.url)).status).toBe(200);
  });
});
