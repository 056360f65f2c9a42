import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@hub/service';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createDemoServer } from '../src/demo/server.ts';
import type { Provider } from '../src/setup/management-client.ts';
import { conversations } from './dialect-clients.ts';
import { blocksOf } from './readme.ts';
import { dataFolder, type HubProcess, manage, removeDataFolder, spawnHub, startHub, stopHub } from './hub-process.ts';

// Whole programs start here.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** The life of one data folder, from the first start on: each part goes on where the one before it ended. */
const folder = dataFolder();
let hub: HubProcess;

const run = promisify(execFile);
const target = () => ({ url: hub.ready.dataPlaneUrl, key: hub.ready.demoKey ?? '' });

async function say(dialect: string, message: string): Promise<string> {
  const send = conversations[dialect];
  if (send === undefined) throw new Error(`no such dialect: ${dialect}`);
  return (await send(target(), message)).text;
}

async function providers(): Promise<readonly Provider[]> {
  return (await manage(hub).call('providers/getProviders')) as readonly Provider[];
}

interface UsageRow {
  readonly user: string;
  readonly endpoint: string;
  readonly status_code: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_usd: string | null;
}

/** Asks the embedded database, by its own door. */
async function query<Row extends object>(sql: string): Promise<readonly Row[]> {
  const client = new Client({ host: join(folder, 'run', 'pg'), user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** What was written down of the requests so far. */
function usageRows(): Promise<readonly UsageRow[]> {
  return query<UsageRow>(
    `SELECT u.name AS user, endpoint, status_code, input_tokens, output_tokens, cost_usd FROM message_request m JOIN users u ON u.id = m.user_id ORDER BY m.id`,
  );
}

/** Processes that have anything to do with the folder, by what stands in their environment or command. */
function processesOf(path: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => {
    const read = (file: string) => readFileSync(`/proc/${entry}/${file}`, 'utf8');
    try {
      return /^\d+$/.test(entry) && (read('environ').includes(path) || read('cmdline').includes(path));
    } catch {
      return false;
    }
  });
}

afterAll(async () => {
  await stopHub(hub);
  removeDataFolder(folder);
});

describe('the first start', () => {
  beforeAll(async () => {
    hub = await startHub({ HUB_DATA_DIR: folder });
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
      const { text, inputTokens, outputTokens } = await send(target(), 'Is it raining?');
      expect(text).toContain('Is it raining?');
      expect(inputTokens).toBeGreaterThan(3);
      expect(outputTokens).toBeGreaterThan(40);
    });
  }

  it('takes a provider, a user and a key as the README says, and serves them', async () => {
    const upstream = createDemoServer({ key: 'the-real-key', paceMs: 0, clock: systemClock });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      upstream.close();
      upstream.closeAllConnections();
    });
    const script = blocksOf('README.md')
      .find((block) => block.includes('providers/addProvider'))
      ?.replaceAll('http://127.0.0.1:8081', hub.ready.controlPlaneUrl)
      .replaceAll('.data/', `${folder}/`)
      .replace('https://api.anthropic.com', `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
      .replace('sk-ant-YOUR-KEY', 'the-real-key')
      // One answer per line.
      .replaceAll('curl ', "curl --silent --show-error --write-out '\\n' ");
    const { stdout } = await run('sh', ['-c', script ?? 'false']);
    const answers = stdout.trim().split('\n').map((line) => JSON.parse(line) as { ok: boolean; data?: { generatedKey?: string } });
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true]);
    const generatedKey = answers[2]?.data?.generatedKey ?? '';
    const send = conversations['Anthropic Messages, stream'];
    const answer = await vi.waitFor(() => send?.({ url: hub.ready.dataPlaneUrl, key: generatedKey }, 'hello'), { timeout: 10_000, interval: 50 });
    expect(answer?.text).toContain('hello');
  });

  it('wrote a row for each of these requests, with tokens and cost', async () => {
    const sent = 1 + Object.keys(conversations).length + 1;
    const answered = await vi.waitFor(
      async () => {
        // What was refused while the new key was on its way is written down too.
        const rows = (await usageRows()).filter((row) => row.status_code === 200);
        expect(rows).toHaveLength(sent);
        return rows;
      },
      { timeout: 20_000, interval: 100 },
    );
    expect(answered.filter(({ user }) => user === 'alice')).toHaveLength(1);
    for (const row of answered) {
      expect(row).toMatchObject({ input_tokens: expect.any(Number), output_tokens: expect.any(Number) });
      expect(Number(row.cost_usd), row.endpoint).toBeGreaterThan(0);
    }
  });

  it('keeps a second hub out of the folder', async () => {
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: folder });
    expect(await ended).toBe(1);
    expect(stderr()).toMatch(new RegExp(`^hub: a hub is already running on [^\n]* \\(process ${hub.child.pid}\\)[^\n]*\n$`));
  });

  it('ends everything with Ctrl-C', async () => {
    const demo = (await providers()).find(({ name }) => name === 'demo (gemini)');
    await manage(hub).call('providers/removeProvider', { providerId: demo?.id });
    expect(await stopHub(hub)).toBe(0);
    expect(processesOf(folder)).toEqual([]);
  });
});

describe('the second start', () => {
  let before: HubProcess;

  beforeAll(async () => {
    before = hub;
    hub = await startHub({ HUB_DATA_DIR: folder });
  });

  it('keeps the data and the tokens, and does not bring back what was deleted', async () => {
    expect(hub.ready).toMatchObject({ adminToken: before.ready.adminToken, demoKey: before.ready.demoKey });
    const users = (await manage(hub).call('users/getUsers')) as readonly { name: string }[];
    expect(users.map(({ name }) => name).sort()).toEqual(['alice', 'demo']);
    expect((await providers()).map(({ name }) => name).sort()).toEqual(['anthropic', 'demo (claude)', 'demo (codex)', 'demo (openai-compatible)']);
    expect(await say('OpenAI chat completions, stream', 'again')).toContain('again');
  });

  it('brings every process back that dies', async () => {
    const noted = JSON.parse(readFileSync(join(folder, 'processes.json'), 'utf8')) as { pid: number; script: string }[];
    expect(noted).toHaveLength(3);
    for (const { pid } of noted) process.kill(pid, 'SIGKILL');
    const text = await vi.waitFor(() => say('OpenAI Responses, stream', 'back?'), { timeout: 60_000, interval: 200 });
    expect(text).toContain('back?');
    for (const process of ['demo upstream', 'control plane', 'data plane']) {
      expect(hub.stderr()).toContain(`the ${process} ended unexpectedly (SIGKILL); starting it again`);
    }
    await vi.waitFor(() => providers(), { timeout: 60_000, interval: 200 });
  });
});

describe('the start after the launcher was killed', () => {
  it('just works, on the same ports', async () => {
    const before = hub.ready;
    const port = (url: string) => new URL(url).port;
    hub.child.kill('SIGKILL');
    // At once, so that the processes that are still ending are in the way.
    hub = await startHub({ HUB_DATA_DIR: folder, DATA_PLANE_PORT: port(before.dataPlaneUrl), CONTROL_PLANE_PORT: port(before.controlPlaneUrl) });
    expect(hub.ready).toEqual(before);
    expect(await say('OpenAI chat completions', 'still here')).toContain('still here');
  });
});

describe('a start with HUB_DEMO=0', () => {
  it('switches the demo off', async () => {
    await stopHub(hub);
    hub = await startHub({ HUB_DATA_DIR: folder, HUB_DEMO: '0' });
    expect(hub.ready.demoKey).toBeUndefined();
    expect(hub.stderr()).toContain('the demo providers of an earlier start are now disabled');
    const demo = (await providers()).filter(({ name }) => name.startsWith('demo'));
    expect(demo.map(({ isEnabled }) => isEnabled)).toEqual([false, false, false]);
  });

  it('and the next one without it brings it back', async () => {
    await stopHub(hub);
    hub = await startHub({ HUB_DATA_DIR: folder });
    expect(await say('OpenAI Responses', 'hi')).toContain('demo upstream');
  });
});

describe('a start on a database that a newer hub has used', () => {
  it('ends with one line', async () => {
    await query(`INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ('x', 'x', now(), '29991231000000_future', 1)`);
    await stopHub(hub);
    const { ended, stderr } = spawnHub({ HUB_DATA_DIR: folder });
    expect(await ended).toBe(1);
    const lines = stderr().trim().split('\n').filter((line) => !line.startsWith('hub: starting '));
    expect(lines).toEqual([expect.stringMatching(/newer version.*29991231000000_future/)]);
    expect(processesOf(folder)).toEqual([]);
  });
});
