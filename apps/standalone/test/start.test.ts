import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@hub/service';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createDemoServer } from '../src/demo/server.ts';
import { createManagementClient, type Provider } from '../src/setup/management-client.ts';
import { conversations } from './dialect-clients.ts';
import { dataFolder, type HubProcess, removeDataFolder, spawnHub, startHub, stopHub } from './hub-process.ts';

const run = promisify(execFile);

function newFolder(): string {
  const folder = dataFolder();
  onTestFinished(() => removeDataFolder(folder));
  return folder;
}

async function startForTest(env: Record<string, string>): Promise<HubProcess> {
  const hub = await startHub(env);
  onTestFinished(async () => {
    hub.child.kill('SIGTERM');
    await hub.ended;
  });
  return hub;
}

const manage = ({ ready }: HubProcess) => createManagementClient(ready.controlPlaneUrl, ready.adminToken ?? '');

interface UsageRow {
  readonly user: string;
  readonly endpoint: string;
  readonly status_code: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: string | null;
}

/** What was written down of the requests so far. */
async function usageRows(folder: string): Promise<readonly UsageRow[]> {
  const client = new Client({ host: join(folder, 'run', 'pg'), user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    const { rows } = await client.query<UsageRow>(
      `SELECT u.name AS user, endpoint, status_code, input_tokens, output_tokens, cost_usd FROM message_request m JOIN users u ON u.id = m.user_id ORDER BY m.id`,
    );
    return rows;
  } finally {
    await client.end();
  }
}

/** The processes that a launcher left behind, by the folder that stands in their environment. */
function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/environ`, 'utf8').includes(folder);
    } catch {
      return false;
    }
  });
}

describe('a fresh hub', () => {
  const folder = dataFolder();
  let hub: HubProcess;

  beforeAll(async () => {
    hub = await startHub({ HUB_DATA_DIR: folder });
  });

  afterAll(async () => {
    expect(await stopHub(hub)).toBe(0);
    removeDataFolder(folder);
  });

  it('prints where it is and what it is entered with', () => {
    expect(hub.ready.dataPlaneUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(hub.ready.adminToken).toBe(readFileSync(join(folder, 'admin-token'), 'utf8').trim());
    expect(hub.ready.demoKey).toMatch(/^sk-/);
    for (const value of Object.values(hub.ready)) expect(hub.block).toContain(value);
  });

  it('answers the printed curl line', async () => {
    const line = hub.block.split('\n').find((text) => text.trim().startsWith('curl '));
    const { stdout } = await run('sh', ['-c', `${line} --silent --show-error --fail`]);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'message', content: [{ type: 'text', text: expect.stringContaining('demo upstream') }] });
  });

  for (const [name, send] of Object.entries(conversations)) {
    it(`answers ${name}`, async () => {
      const { text, inputTokens, outputTokens } = await send({ url: hub.ready.dataPlaneUrl, key: hub.ready.demoKey ?? '' }, 'Is it raining?');
      expect(text).toContain('Is it raining?');
      expect(inputTokens).toBeGreaterThan(3);
      expect(outputTokens).toBeGreaterThan(40);
    });
  }

  it('takes a user, a key and a provider over the management API, and serves them', async () => {
    const upstream = createDemoServer({ key: 'the-real-key', paceMs: 0, clock: systemClock });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      upstream.close();
      upstream.closeAllConnections();
    });
    const client = manage(hub);
    const { user } = (await client.call('users/addUser', { name: 'alice' })) as { user: { id: number } };
    const { generatedKey } = (await client.call('keys/addKey', { userId: user.id, name: 'laptop' })) as { generatedKey: string };
    await client.call('providers/addProvider', {
      name: 'anthropic',
      url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      key: 'the-real-key',
      provider_type: 'claude',
    });
    const send = conversations['Anthropic Messages, stream'];
    const text = await vi.waitFor(async () => (await send?.({ url: hub.ready.dataPlaneUrl, key: generatedKey }, 'hello'))?.text, { timeout: 5_000, interval: 50 });
    expect(text).toContain('hello');
  });

  it('wrote one row for each of these requests, with tokens and cost', async () => {
    const sent = 1 + Object.keys(conversations).length + 1;
    const rows = await vi.waitFor(
      async () => {
        const written = await usageRows(folder);
        expect(written).toHaveLength(sent);
        return written;
      },
      { timeout: 10_000, interval: 100 },
    );
    expect(rows.filter(({ user }) => user === 'alice')).toHaveLength(1);
    for (const row of rows) {
      expect(row).toMatchObject({ status_code: 200, input_tokens: expect.any(Number), output_tokens: expect.any(Number) });
      expect(Number(row.cost_usd), row.endpoint).toBeGreaterThan(0);
    }
  });
});

describe('a hub that is started again', () => {
  it('keeps its data, its tokens and its demo, and does not bring back what was deleted', async () => {
    const folder = newFolder();
    const first = await startHub({ HUB_DATA_DIR: folder });
    const client = manage(first);
    await client.call('users/addUser', { name: 'bob' });
    const providers = (await client.call('providers/getProviders')) as readonly Provider[];
    const gemini = providers.find(({ name }) => name === 'demo (gemini)');
    await client.call('providers/removeProvider', { providerId: gemini?.id });
    expect(await stopHub(first)).toBe(0);
    expect(processesOf(folder)).toEqual([]);

    const began = performance.now();
    const second = await startForTest({ HUB_DATA_DIR: folder });
    const tookMs = performance.now() - began;
    expect(second.ready.adminToken).toBe(first.ready.adminToken);
    expect(second.ready.demoKey).toBe(first.ready.demoKey);
    const users = (await manage(second).call('users/getUsers')) as readonly { name: string }[];
    expect(users.map(({ name }) => name).sort()).toEqual(['bob', 'demo']);
    const left = (await manage(second).call('providers/getProviders')) as readonly Provider[];
    expect(left.map(({ name }) => name).sort()).toEqual(['demo (claude)', 'demo (codex)', 'demo (openai-compatible)']);
    expect(tookMs).toBeLessThan(15_000);
  });

  it('just works after the launcher was killed', async () => {
    const folder = newFolder();
    const first = await startHub({ HUB_DATA_DIR: folder });
    // The same ports again, so that processes which are still ending would be in the way.
    const ports = { DATA_PLANE_PORT: new URL(first.ready.dataPlaneUrl).port, CONTROL_PLANE_PORT: new URL(first.ready.controlPlaneUrl).port };
    first.child.kill('SIGKILL');
    const second = await startForTest({ HUB_DATA_DIR: folder, ...ports });
    expect(second.ready).toEqual(first.ready);
    const send = conversations['OpenAI chat completions, stream'];
    expect((await send?.({ url: second.ready.dataPlaneUrl, key: second.ready.demoKey ?? '' }, 'again'))?.text).toContain('again');
  });

  it('brings a plane back that dies', async () => {
    const folder = newFolder();
    const hub = await startForTest({ HUB_DATA_DIR: folder });
    const noted = JSON.parse(readFileSync(join(folder, 'processes.json'), 'utf8')) as { pid: number; script: string }[];
    for (const { pid } of noted) process.kill(pid, 'SIGKILL');
    const send = conversations['Gemini generateContent'];
    const target = { url: hub.ready.dataPlaneUrl, key: hub.ready.demoKey ?? '' };
    const text = await vi.waitFor(async () => (await send?.(target, 'back?'))?.text, { timeout: 30_000, interval: 200 });
    expect(text).toContain('back?');
    expect(hub.stderr()).toContain('ended unexpectedly (SIGKILL); starting it again');
  });

  it('switches the demo off with HUB_DEMO=0, and on again', async () => {
    const folder = newFolder();
    const first = await startHub({ HUB_DATA_DIR: folder });
    await stopHub(first);
    const without = await startHub({ HUB_DATA_DIR: folder, HUB_DEMO: '0' });
    expect(without.ready.demoKey).toBeUndefined();
    expect(without.stderr()).toContain('the demo providers of an earlier start are now disabled');
    const providers = (await manage(without).call('providers/getProviders')) as readonly Provider[];
    expect(providers.map(({ isEnabled }) => isEnabled)).toEqual([false, false, false, false]);
    await stopHub(without);
    const again = await startForTest({ HUB_DATA_DIR: folder });
    expect(again.ready.demoKey).toBe(first.ready.demoKey);
    const send = conversations['OpenAI Responses'];
    expect((await send?.({ url: again.ready.dataPlaneUrl, key: again.ready.demoKey ?? '' }, 'hi'))?.text).toContain('demo upstream');
  });
});

describe('a hub with settings of its own', () => {
  it('has no demo if there never was one', async () => {
    const hub = await startForTest({ HUB_DATA_DIR: newFolder(), HUB_DEMO: '0', ADMIN_TOKEN: 'a-token-of-my-own' });
    expect(hub.ready).toEqual({ dataPlaneUrl: expect.any(String), controlPlaneUrl: expect.any(String) });
    const client = createManagementClient(hub.ready.controlPlaneUrl, 'a-token-of-my-own');
    expect(await client.call('users/getUsers')).toEqual([]);
    expect(await client.call('providers/getProviders')).toEqual([]);
  });

  it('makes providers from the vendors\' variables, once, and prefers them to the demo', async () => {
    const folder = newFolder();
    const upstream = createDemoServer({ key: 'vendor-key', paceMs: 0, clock: systemClock });
    const asked: string[] = [];
    upstream.prependListener('request', (request: { headers: Record<string, unknown>; url?: string }) => asked.push(String(request.url)));
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      upstream.close();
      upstream.closeAllConnections();
    });
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const env = {
      HUB_DATA_DIR: folder,
      ANTHROPIC_API_KEY: 'vendor-key',
      ANTHROPIC_BASE_URL: url,
      OPENAI_API_KEY: 'vendor-key',
      OPENAI_BASE_URL: `${url}/v1`,
      GEMINI_API_KEY: 'vendor-key',
      GOOGLE_GEMINI_BASE_URL: url,
    };
    const first = await startHub(env);
    const target = { url: first.ready.dataPlaneUrl, key: first.ready.demoKey ?? '' };
    for (const name of ['Anthropic Messages', 'OpenAI chat completions', 'OpenAI Responses', 'Gemini generateContent']) {
      await conversations[name]?.(target, 'x');
    }
    expect(asked.filter((path) => !path.endsWith('/models'))).toEqual([
      expect.stringMatching(/^\/v1\/messages/),
      '/v1/chat/completions',
      '/v1/responses',
      expect.stringMatching(/^\/v1beta\/models\/gemini-2\.5-flash:generateContent/),
    ]);
    await stopHub(first);
    const second = await startForTest(env);
    const names = ((await manage(second).call('providers/getProviders')) as readonly Provider[]).map(({ name }) => name);
    expect(names.filter((name) => !name.startsWith('demo')).sort()).toEqual(['anthropic', 'gemini', 'openai (codex)', 'openai (openai-compatible)']);
  });
});

describe('a hub that can not start says why in one line', () => {
  const linesOf = (stderr: string) => stderr.trim().split('\n').filter((line) => !line.startsWith('hub: starting '));

  it('when a port is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: newFolder(), CONTROL_PLANE_GRPC_PORT: String(port) });
    expect(await ended).toBe(1);
    expect(linesOf(stderr())).toEqual([expect.stringMatching(new RegExp(`port ${port} .* CONTROL_PLANE_GRPC_PORT$`))]);
  });

  it('when the data folder can not be written', async () => {
    const file = join(newFolder(), '..', 'file');
    writeFileSync(file, '');
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: join(file, 'data') });
    expect(await ended).toBe(1);
    expect(linesOf(stderr())).toEqual([expect.stringMatching(/can't write to the data folder .*HUB_DATA_DIR/)]);
  });

  it('when a setting makes no sense', async () => {
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: newFolder(), DATA_PLANE_PORT: 'eighty' });
    expect(await ended).toBe(1);
    expect(linesOf(stderr())).toEqual([expect.stringMatching(/DATA_PLANE_PORT must be a whole number/)]);
  });

  it('when another hub has the folder', async () => {
    const folder = newFolder();
    const hub = await startForTest({ HUB_DATA_DIR: folder });
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: folder });
    expect(await ended).toBe(1);
    expect(linesOf(stderr())).toEqual([expect.stringMatching(new RegExp(`already running on .* \\(process ${hub.child.pid}\\)`))]);
  });

  it('when the database is not there', async () => {
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: newFolder(), DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none' });
    expect(await ended).toBe(1);
    expect(linesOf(stderr())).toHaveLength(1);
  });
});
