import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineOptions, RunningEngine } from './engine.ts';
import { EmbeddedDatabaseError, firstLine } from './errors.ts';
import { type Address, servePglite } from './pglite-server.ts';
import { prepareSocketDirectory, socketFile } from './run-directory.ts';

/** The PostgreSQL that PGlite 0.5 is built from. */
const pgliteMajor = '18';

/** Where this engine keeps its data. */
export const pgliteFolder = (dataDir: string): string => join(dataDir, 'pglite');

/** Whether this engine has data there. */
export const hasPgliteData = (dataDir: string): boolean => existsSync(join(pgliteFolder(dataDir), 'PG_VERSION'));

/**
 * Starts PGlite (PostgreSQL compiled to WebAssembly) in this process, behind a socket. Runs everywhere, but all its
 * connections share one session and its queries run on this process' event loop.
 *
 * @throws EmbeddedDatabaseError when its data can't be opened
 */
export async function startPglite(options: EngineOptions): Promise<RunningEngine> {
  const { dataDir, port, log } = options;
  const folder = pgliteFolder(dataDir);
  if (hasPgliteData(dataDir)) {
    const major = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim();
    if (major !== pgliteMajor) throw new EmbeddedDatabaseError(`the data folder ${folder} belongs to PostgreSQL ${major}, this build brings PGlite ${pgliteMajor}`);
  }
  // Loaded only when needed: 20 MB of WebAssembly.
  const { PGlite } = await import('@electric-sql/pglite');
  let database;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    database = await PGlite.create(folder, { relaxedDurability: !options.durable });
  } catch (error) {
    throw new EmbeddedDatabaseError(`PGlite can't open ${folder}: ${firstLine(error)}`);
  }
  const opened = database;
  const reach = port !== null || process.platform === 'win32' ? overTcp(port ?? 0) : overSocket(options.runDirectory);
  const server = await servePglite(opened, reach.address, log);
  log.info(`embedded PGlite ${pgliteMajor} runs on ${folder}`);

  let stopping: Promise<void> | null = null;
  let end: (reason: null) => void;
  const ended = new Promise<null>((resolve) => (end = resolve));
  async function shutDown(): Promise<void> {
    await server.close();
    await opened.close();
    end(null);
  }
  return { engine: 'pglite', url: reach.url(server.port), stop: () => (stopping ??= shutDown()), ended };
}

/** An address to listen on and the URL for it, once the TCP port is known. */
interface Reach {
  address: Address;
  url(port: number | null): string;
}

function overTcp(port: number): Reach {
  const password = randomBytes(24).toString('hex');
  return { address: { port, password }, url: (actual) => `postgresql://postgres:${password}@127.0.0.1:${actual}/postgres` };
}

function overSocket(runDirectory: string): Reach {
  const directory = prepareSocketDirectory(runDirectory, null);
  return { address: { path: join(directory, socketFile) }, url: () => `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(directory)}` };
}
