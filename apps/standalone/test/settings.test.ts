import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@hub/service';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createDemoServer } from '../src/demo/server.ts';
import { createManagementClient, type Provider } from '../src/setup/management-client.ts';
import { conversations } from './dialect-clients.ts';
import { dataFolder, type HubProcess, manage, removeDataFolder, spawnHub, startHub, stopHub } from './hub-process.ts';

// Whole programs start here.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

function newFolder(): string {
  const folder = dataFolder();
  onTestFinished(() => removeDataFolder(folder));
  return folder;
}

async function startForTest(env: Record<string, string>): Promise<HubProcess> {
  const hub = await startHub(env);
  onTestFinished(async () => {
    await stopHub(hub);
  });
  return hub;
}

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

  it('when the database is not there', async () => {
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: newFolder(), DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none', DATABASE_WAIT_SECONDS: '0' });
    expect(await ended).toBe(1);
    expect(linesOf(stderr())).toHaveLength(1);
  });
});
