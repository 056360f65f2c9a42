import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, type QueryResultRow } from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { startEmbedded } from '../src/embedded.ts';
import type { RunningEngine } from '../src/engine.ts';
import type { Log } from '../src/log.ts';

export const packageFolder = fileURLToPath(new URL('..', import.meta.url));

/** A log whose lines can be looked at. */
export function recordingLog(): Log & { lines: string[] } {
  const lines: string[] = [];
  const level = (name: string) => (message: string) => void lines.push(`${name} ${message}`);
  return { lines, debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') };
}

/** Things to undo after each test, last first. */
export function cleanup(): (undo: () => unknown) => void {
  const pending: (() => unknown)[] = [];
  afterEach(async () => {
    for (const undo of pending.splice(0).toReversed()) await undo();
  });
  return (undo) => void pending.push(undo);
}

/** A temporary folder that everybody can enter. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'hub-pg-'));
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** A database server for all tests of a file. */
export function testServer(engine: 'postgres' | 'pglite' = 'postgres'): { readonly url: string } {
  const folder = temporaryFolder();
  let running: RunningEngine | undefined;
  beforeAll(async () => {
    running = await startEmbedded({ dataDir: join(folder.path, 'data'), engine, durable: false, log: recordingLog() });
  });
  afterAll(async () => {
    await running?.stop();
    folder.remove();
  });
  return {
    get url(): string {
      if (running === undefined) throw new Error('the server is not running yet');
      return running.url;
    },
  };
}

/** A connected client; the caller ends it. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** One statement on a connection of its own. */
export async function run<Row extends QueryResultRow>(url: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const client = await connect(url);
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Another process that holds a running embedded database, as `npm start` does. */
export interface Launcher {
  process: ChildProcess;
  url: string;
  engine: string;
  warnings: string[];
}

/** Rejects when it can't start; the reason is on the standard error. */
export async function launch(dataDir: string, { engine = 'auto', account = {} }: { engine?: string; account?: { uid?: number; gid?: number } } = {}): Promise<Launcher> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/launcher.ts', dataDir, engine], {
    cwd: packageFolder,
    env: { ...process.env, HOME: '/nonexistent', TSX_DISABLE_CACHE: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...account,
  });
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), once(child, 'exit')])) as [unknown];
  if (typeof line !== 'string') throw new Error('the launcher ended');
  return { process: child, ...(JSON.parse(line) as Omit<Launcher, 'process'>) };
}

/** kill -9, and the end; nothing if it has ended already. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** A TCP port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
