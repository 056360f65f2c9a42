import { accessSync, constants, mkdirSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EngineOptions, RunningEngine } from './engine.ts';
import { EmbeddedDatabaseError, EngineUnavailableError, firstLine } from './errors.ts';
import { acquireLauncherLock } from './launcher-lock.ts';
import type { Log } from './log.ts';
import { hasPgliteData, startPglite } from './pglite.ts';
import { findCluster } from './postgres-cluster.ts';
import { startPostgres } from './postgres-server.ts';
import { prepareRunDirectory } from './run-directory.ts';

export interface EmbeddedOptions {
  /** Folder that gets everything; created if missing. One launcher at a time. */
  dataDir: string;
  /**
   * `auto` (default): the engine that has data there, else real PostgreSQL, else PGlite. The other two insist on one.
   */
  engine?: 'auto' | 'postgres' | 'pglite';
  /** TCP port on 127.0.0.1, with a password that is in the URL; null or unset: a Unix socket only this user can reach. */
  port?: number | null;
  /** False lets commits return before they are on the disk; for tests. Unset is true. */
  durable?: boolean;
  log: Log;
}

/**
 * Starts the database that comes with the hub. It ends with this process, even if that is killed; should a server
 * survive nevertheless, the next start on the same folder ends it first.
 *
 * @throws EmbeddedDatabaseError with one line that says what to do: folder in use, not writable, of another version…
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<RunningEngine> {
  const dataDir = prepareDataFolder(options.dataDir);
  const runDirectory = prepareRunDirectory(dataDir);
  const release = await acquireLauncherLock(dataDir, runDirectory);
  try {
    const engineOptions: EngineOptions = { dataDir, runDirectory, port: options.port ?? null, durable: options.durable ?? true, log: options.log };
    const running = await startEngine(options.engine ?? 'auto', engineOptions);
    void running.ended.then(release);
    let stopping: Promise<void> | null = null;
    async function stop(): Promise<void> {
      await running.stop();
      await release();
    }
    return { ...running, stop: () => (stopping ??= stop()) };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Absolute and without symbolic links, so that one folder has one name. */
function prepareDataFolder(given: string): string {
  const dataDir = resolve(given);
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
    return realpathSync(dataDir);
  } catch (error) {
    throw new EmbeddedDatabaseError(`the data folder ${dataDir} can't be written to (${firstLine(error)})`);
  }
}

async function startEngine(engine: 'auto' | 'postgres' | 'pglite', options: EngineOptions): Promise<RunningEngine> {
  if (engine === 'pglite') return startPglite(options);
  if (engine === 'postgres') return startPostgres(options);
  const hasPostgresData = findCluster(options.dataDir).major !== null;
  if (hasPgliteData(options.dataDir) && !hasPostgresData) return startPglite(options);
  try {
    return await startPostgres(options);
  } catch (error) {
    // Never an empty database in place of one that merely can't be opened today.
    if (hasPostgresData || !(error instanceof EngineUnavailableError)) throw error;
    options.log.warn(`${error.message}; using PGlite instead, which is slower and serves one query at a time`);
    return startPglite(options);
  }
}
