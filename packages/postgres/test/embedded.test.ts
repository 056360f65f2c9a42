import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { expect, it, vi } from 'vitest';
import { type EmbeddedOptions, startEmbedded } from '../src/embedded.ts';
import type { RunningEngine } from '../src/engine.ts';
import { cleanup, freePort, kill, launch, recordingLog, run, temporaryFolder } from './server.ts';

const root = process.getuid?.() === 0;
const postmasterPid = `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid`;
const nobody = { uid: 65534, gid: 65534 };
/** WebAssembly is compiled for several seconds, several times that when others compute too. */
const slow = { timeout: 180_000 };
const undo = cleanup();

function folder(): string {
  const { path, remove } = temporaryFolder();
  undo(remove);
  return path;
}

async function start(options: Partial<EmbeddedOptions> & { dataDir: string }): Promise<RunningEngine & { lines: string[] }> {
  const log = recordingLog();
  const running = await startEmbedded({ log, durable: false, ...options });
  undo(running.stop);
  return { ...running, lines: log.lines };
}

it('starts PostgreSQL for one user and one launcher, keeps the data and starts again', async () => {
  const dataDir = join(folder(), 'data');
  const first = await start({ dataDir, durable: true });
  expect(first.engine).toBe('postgres');
  expect(await run(first.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  const socketFolder = new URL(first.url).searchParams.get('host') ?? '';
  expect(statSync(socketFolder).mode & 0o077).toBe(0);
  await expect(startEmbedded({ dataDir, log: recordingLog() })).rejects.toThrow(`in use by process ${process.pid}`);
  await run(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
  await first.stop();
  expect(await first.ended).toBeNull();
  expect(existsSync(join(dataDir, 'postgres/postmaster.pid'))).toBe(false);

  const port = await freePort();
  const second = await start({ dataDir, port });
  expect(new URL(second.url).port).toBe(String(port));
  expect(await run(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  const guess = new Client({ connectionString: second.url.replace(/:[0-9a-f]+@/, ':guess@') });
  await expect(guess.connect()).rejects.toMatchObject({ code: '28P01' });
});

it('starts after its launcher was killed', async () => {
  const dataDir = folder();
  const launcher = await launch(dataDir);
  undo(() => kill(launcher.process));
  await run(launcher.url, 'CREATE TABLE kept AS SELECT 8 AS value');
  const [{ pid } = { pid: 0 }] = await run<{ pid: number }>(launcher.url, postmasterPid);
  await kill(launcher.process);
  // At once, though the server has yet to notice.
  const next = await start({ dataDir });
  expect(await run(next.url, 'SELECT value FROM kept')).toEqual([{ value: 8 }]);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

it('takes the server away with a launcher that is killed', async () => {
  const launcher = await launch(folder());
  const [{ pid } = { pid: 0 }] = await run<{ pid: number }>(launcher.url, postmasterPid);
  await kill(launcher.process);
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 30_000, interval: 20 });
});

it.runIf(process.platform === 'linux')('ends a server that even its guard left behind', async () => {
  const dataDir = folder();
  const launcher = await launch(dataDir);
  undo(() => kill(launcher.process));
  await run(launcher.url, 'CREATE TABLE kept AS SELECT 9 AS value');
  // The guard shell and its watcher, both children of the launcher's process group of one.
  const guard = Number(readFileSync(`/proc/${launcher.process.pid}/task/${launcher.process.pid}/children`, 'utf8').trim().split(' ').at(-1));
  const [server, watcher] = readFileSync(`/proc/${guard}/task/${guard}/children`, 'utf8').trim().split(' ').map(Number);
  if (server === undefined || watcher === undefined) throw new Error('the guard has no two children');
  for (const pid of [watcher, guard]) process.kill(pid, 'SIGKILL');
  await kill(launcher.process);
  expect(() => process.kill(server, 0)).not.toThrow();

  const next = await start({ dataDir });
  expect(next.lines.join('\n')).toContain(`stopping PostgreSQL (process ${server})`);
  expect(await run(next.url, 'SELECT value FROM kept')).toEqual([{ value: 9 }]);
});

it('neither harms nor is stopped by a process that merely has the number in a stale postmaster.pid', async () => {
  const dataDir = folder();
  const first = await start({ dataDir });
  const file = join(dataDir, 'postgres/postmaster.pid');
  const content = readFileSync(file, 'utf8');
  await first.stop();
  const { uid, gid } = statSync(join(dataDir, 'postgres'));
  const bystander = spawn('sleep', ['1000'], root ? { uid, gid } : {});
  undo(() => kill(bystander));
  writeFileSync(file, content.replace(/^\d+/, String(bystander.pid)));
  if (root) chownSync(file, uid, gid);

  const { url } = await start({ dataDir });
  expect(await run(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
});

it('says so in one line when the data is of another version', async () => {
  const dataDir = folder();
  mkdirSync(join(dataDir, 'postgres'));
  writeFileSync(join(dataDir, 'postgres/PG_VERSION'), '12\n');
  if (root) chownSync(join(dataDir, 'postgres'), nobody.uid, nobody.gid);
  const failure: unknown = await startEmbedded({ dataDir, log: recordingLog() }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ name: 'EmbeddedDatabaseError', message: expect.stringMatching(/belongs to PostgreSQL 12, this build brings 18/) });
  expect((failure as Error).message).not.toContain('\n');
  // The lock was given back.
  await expect(startEmbedded({ dataDir, log: recordingLog() })).rejects.toThrow('PostgreSQL 12');
});

it('says so in one line when the folder can not be written', async () => {
  const file = join(folder(), 'file');
  writeFileSync(file, '');
  await expect(startEmbedded({ dataDir: join(file, 'data'), log: recordingLog() })).rejects.toMatchObject({
    name: 'EmbeddedDatabaseError',
    message: expect.stringMatching(/^the data folder .* can't be written to \(ENOTDIR.*$/),
  });
});

it('puts the socket elsewhere when the path is too long for one', async () => {
  const dataDir = join(folder(), 'd'.repeat(80));
  const { url } = await start({ dataDir });
  const socketFolder = new URL(url).searchParams.get('host') ?? '';
  undo(() => rmSync(dirname(socketFolder), { recursive: true, force: true }));
  expect(socketFolder.length).toBeLessThan(100);
  expect(await run(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

it('tells when the server dies', async () => {
  const { url, ended, lines } = await start({ dataDir: folder() });
  const [{ pid } = { pid: 0 }] = await run<{ pid: number }>(url, postmasterPid);
  process.kill(pid, 'SIGKILL');
  expect(await ended).toContain('ended unexpectedly');
  expect(lines.at(-1)).toContain('error embedded PostgreSQL ended unexpectedly');
});

it('falls back to PGlite where PostgreSQL can not run, which keeps its data when it is killed and then stays the choice', slow, async () => {
  const closed = folder();
  const dataDir = join(closed, 'data');
  // Where only root can enter, PostgreSQL can't, since it refuses to run as root.
  if (root) chmodSync(closed, 0o700);
  const launcher = await launch(dataDir, { engine: root ? 'auto' : 'pglite' });
  undo(() => kill(launcher.process));
  expect(launcher.engine).toBe('pglite');
  if (root) expect(launcher.warnings).toEqual([expect.stringMatching(/^PostgreSQL refuses to run as root, and the account \w+ can't get to .*\/data; using PGlite instead/)]);
  await run(launcher.url, 'CREATE TABLE kept AS SELECT 10 AS value');
  await expect(startEmbedded({ dataDir, log: recordingLog() })).rejects.toThrow(`in use by process ${launcher.process.pid}`);
  await kill(launcher.process);

  chmodSync(closed, 0o755);
  const second = await start({ dataDir });
  expect(second.engine).toBe('pglite');
  expect(await run(second.url, 'SELECT value FROM kept')).toEqual([{ value: 10 }]);
});

it.runIf(root)('runs for an ordinary user, and root can take the folder over', async () => {
  const dataDir = join(folder(), 'data');
  mkdirSync(dataDir);
  chownSync(dataDir, nobody.uid, nobody.gid);
  const launcher = await launch(dataDir, { account: nobody });
  undo(() => kill(launcher.process));
  expect(launcher.engine).toBe('postgres');
  await run(launcher.url, 'CREATE TABLE kept AS SELECT 11 AS value');
  await kill(launcher.process);
  chownSync(join(dataDir, 'run'), 0, 0);

  const next = await start({ dataDir });
  expect(await run(next.url, 'SELECT value FROM kept')).toEqual([{ value: 11 }]);
});
