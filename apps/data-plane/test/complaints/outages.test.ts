import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePort, PlaneProcess, type ScriptedUpstream, stallAfter, startUpstream } from '@hub/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, provider, settings, startControlPlane, type TestControlPlane, user } from '../boot.ts';

/** What users of other gateways complained about: outages that spread, and deployments that cut streams. Real processes. */

const folders: string[] = [];
let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane | undefined;
let plane: PlaneProcess | undefined;

beforeEach(async () => {
  upstream = await startUpstream();
});
afterEach(async () => {
  // Nobody has to wait for rows that can't be delivered any more.
  await plane?.kill('SIGKILL');
  await controlPlane?.stop();
  await upstream.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const configuration = () => [settings(), user(), key(), provider({ url: upstream.url })];

let ports = { http: 0, ops: 0 };

/** `serving` settles when it has a configuration; its ports are open before. */
async function startDataPlane(controlPlaneAddress: string): Promise<{ process: PlaneProcess; serving: Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'hub-outage-'));
  folders.push(folder);
  ports = { http: await freePort(), ops: await freePort() };
  plane = new PlaneProcess({
    name: 'data-plane',
    entry: fileURLToPath(new URL('../../dist/main.js', import.meta.url)),
    cwd: folder,
    env: {
      PLANE_TOKEN: 'plane-token-of-the-tests',
      CONTROL_PLANE_GRPC_URL: controlPlaneAddress,
      HUB_DATA_DIR: join(folder, 'data'),
      HUB_BIND: '127.0.0.1',
      ALLOW_PRIVATE_UPSTREAMS: '1',
      HUB_DRAIN_TIMEOUT_MS: '60000',
      // Nobody is there.
      REDIS_URL: `redis://127.0.0.1:${await freePort()}`,
      DATA_PLANE_PORT: String(ports.http),
      DATA_PLANE_OPS_PORT: String(ports.ops),
    },
    portVariables: {},
  });
  return { process: plane, serving: plane.start() };
}
const url = (port: 'http' | 'ops') => `http://127.0.0.1:${ports[port]}`;
const ready = () => fetch(`${url('ops')}/readyz`);

describe('readiness', () => {
  it('I05 says whether it can serve, not whether everybody else is well', async () => {
    controlPlane = await startControlPlane();
    controlPlane.publish(configuration());
    await (await startDataPlane(controlPlane.address)).serving;
    expect((await ready()).status).toBe(200);
    await controlPlane.stop();
    await eventually(() => 'the loss to be noticed', async () => (/^hub_control_plane_connected 0$/m.test(await (await fetch(`${url('ops')}/metrics`)).text()) ? true : undefined));
    expect((await ready()).status).toBe(200);
    expect((await messages(url('http'))).status).toBe(200);
  });

  it('I03 a Redis that is away costs a line in the log, not one for each request', async () => {
    controlPlane = await startControlPlane();
    controlPlane.publish(configuration());
    const { process, serving } = await startDataPlane(controlPlane.address);
    await serving;
    for (let round = 0; round < 5; round++) {
      const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await messages(url('http'))).status));
      expect(statuses.every((status) => status === 200)).toBe(true);
    }
    expect(process.logs.filter((line) => /redis/i.test(line)).length).toBeLessThan(6);
    expect(process.logs.length).toBeLessThan(30);
  });

  it('I04, I06 who starts while everything is away says 503 and never 401, and recovers by itself', async () => {
    const port = await freePort();
    const { serving } = await startDataPlane(`127.0.0.1:${port}`);
    const response = await eventually(() => 'its port to be open', () => messages(url('http')).catch(() => undefined), { timeoutMs: 30_000 });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).not.toBeNull();
    expect((await ready()).status).toBe(503);
    controlPlane = await startControlPlane(port);
    controlPlane.publish(configuration());
    await serving;
    expect((await ready()).status).toBe(200);
    expect((await messages(url('http'))).status).toBe(200);
  });
});

describe('a deployment', () => {
  it('I08 cuts none of 50 streams, takes nothing new, and waits no longer than they take', async () => {
    controlPlane = await startControlPlane();
    controlPlane.publish(configuration());
    const { process, serving } = await startDataPlane(controlPlane.address);
    await serving;
    const stalls = Array.from({ length: 50 }, () => stallAfter(5));
    for (const stall of stalls) upstream.respond(stall);
    const responses = await Promise.all(stalls.map(() => messages(url('http'), { body: { stream: true } })));
    const exit = process.kill('SIGTERM');
    await eventually(() => 'it to say that it is leaving', async () => ((await ready()).status === 503 ? true : undefined));
    await expect(messages(url('http'))).rejects.toThrow();
    for (const stall of stalls) stall.resume();
    const texts = await Promise.all(responses.map((response) => response.text()));
    expect(texts.filter((text) => text.includes('message_stop') && !text.includes('event: error'))).toHaveLength(50);
    const finished = Date.now();
    expect(await exit).toBe(0);
    expect(Date.now() - finished).toBeLessThan(20_000);
    expect(await controlPlane.waitForRecords(50)).toHaveLength(50);
  });
});
