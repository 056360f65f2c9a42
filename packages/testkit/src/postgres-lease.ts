import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environment } from './env.ts';
import { eventually } from './eventually.ts';

/** What the keeper says, once, to everybody who connects. */
export type KeeperWord = { readonly url: string } | { readonly error: string };

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const keeperProgram = fileURLToPath(new URL('../dist/postgres-keeper.js', import.meta.url));

let leased: Promise<string> | undefined;

/**
 * URL of a PostgreSQL server that stays up at least as long as this process: `TEST_DATABASE_URL`, else one that all test
 * processes of this checkout share and whose first user starts it.
 */
export function leaseServer(): Promise<string> {
  if (environment.databaseUrl !== undefined) return Promise.resolve(environment.databaseUrl);
  leased ??= lease().catch((error: unknown) => {
    leased = undefined;
    throw error;
  });
  return leased;
}

async function lease(): Promise<string> {
  const socket = await connectToKeeper();
  socket.on('error', () => {}).on('close', () => (leased = undefined));
  const word = await firstWord(socket);
  // The connection is the lease, yet it must not keep this process alive.
  socket.unref();
  if ('error' in word) throw new Error(`no PostgreSQL for tests: ${word.error}`);
  return word.url;
}

async function connectToKeeper(): Promise<Socket> {
  const folder = keeperFolder();
  const path = join(folder, 'keeper.sock');
  const running = await tryConnect(path);
  if (running !== undefined) return running;
  // Nobody listens: a path that is there all the same is what a killed keeper left.
  rmSync(path, { force: true });
  startKeeper(folder, path);
  return eventually(
    () => `the keeper of the test database (${readFileSync(join(folder, 'keeper.log'), 'utf8').slice(-500)})`,
    () => tryConnect(path),
    { timeoutMs: 20_000, intervalMs: 20 },
  );
}

/** One folder per user, checkout and state of the migrations: what is migrated once must be what the tests expect. */
function keeperFolder(): string {
  const hash = createHash('sha256').update(checkout);
  const migrations = join(checkout, 'prisma', 'migrations');
  for (const entry of readdirSync(migrations, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) hash.update(entry.name).update(readFileSync(join(entry.parentPath, entry.name)));
  }
  const folder = join(tmpdir(), `hub-testkit-${userInfo().username}-${hash.digest('hex').slice(0, 12)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

function startKeeper(folder: string, path: string): void {
  if (!existsSync(keeperProgram)) throw new Error(`${keeperProgram} is missing: build packages/testkit first`);
  const log = openSync(join(folder, 'keeper.log'), 'w');
  // Detached: Ctrl-C at the tests must not take the server away from another run; it ends when nobody needs it.
  const keeper = spawn(process.execPath, [keeperProgram, path], { cwd: tmpdir(), detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  keeper.unref();
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

function firstWord(socket: Socket): Promise<KeeperWord> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: socket });
    lines.once('line', (line) => resolve(JSON.parse(line) as KeeperWord));
    socket.once('close', () => reject(new Error('the keeper of the test database ended before the server was up')));
  });
}
