import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { EmbeddedDatabaseError } from './errors.ts';
import type { Log } from './log.ts';
import type { Cluster } from './postgres-cluster.ts';

/** A server that was left alone has this long to end, which includes its last checkpoint. */
const goneWithinMs = 60_000;

const pollEveryMs = 50;

/**
 * Waits until no server is running on the cluster any more, and tells one that is to shut down. Called by the holder of
 * the launcher's lock, so that such a server can only be one whose launcher was killed.
 *
 * The process id in postmaster.pid may long belong to somebody else's process, so nothing is signalled before a server
 * has answered on the recorded socket that it serves this very folder.
 *
 * @throws EmbeddedDatabaseError when it does not end
 */
export async function stopLeftOver(cluster: Cluster, log: Log): Promise<void> {
  const deadline = performance.now() + goneWithinMs;
  let told = false;
  while (performance.now() < deadline) {
    const server = readPostmasterFile(cluster.folder);
    if (server === null) return;
    const state = await ask(server, cluster);
    if (state === 'absent') return removeStaleFile(server.pid, cluster.folder);
    if (state === 'serving' && !told) {
      log.warn(`stopping PostgreSQL (process ${server.pid}), which an earlier launcher left running on ${cluster.folder}`);
      process.kill(server.pid, 'SIGINT');
      told = true;
    }
    await delay(pollEveryMs);
  }
  throw new EmbeddedDatabaseError(`PostgreSQL is still running on ${cluster.folder}; stop it (its process id is in postmaster.pid)`);
}

/**
 * PostgreSQL refuses to start while the recorded process id is in use, which after the restart of a container it easily
 * is, by something else. Only removed where the system can tell that it is something else.
 */
function removeStaleFile(pid: number, folder: string): void {
  const nameFile = `/proc/${pid}/comm`;
  if (existsSync(nameFile) && readFileSync(nameFile, 'utf8').trim() !== 'postgres') rmSync(join(folder, 'postmaster.pid'), { force: true });
}

interface PostmasterFile {
  pid: number;
  port: number;
  /** The socket's folder, or 127.0.0.1 where there are no sockets. */
  host: string;
}

/** Lines of postmaster.pid: 1 process id, 2 data folder, 4 port, 5 socket folder. */
function readPostmasterFile(folder: string): PostmasterFile | null {
  const file = join(folder, 'postmaster.pid');
  if (!existsSync(file)) return null;
  const lines = readFileSync(file, 'utf8').split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 1 || !Number.isInteger(port) || port === 0) return null;
  return { pid, port, host: lines[4] || '127.0.0.1' };
}

/** `ending` also means starting: there is a server, it just does not let anybody in. */
async function ask({ host, port }: PostmasterFile, cluster: Cluster): Promise<'serving' | 'ending' | 'absent'> {
  const password = existsSync(cluster.passwordFile) ? readFileSync(cluster.passwordFile, 'utf8').trim() : '';
  const client = new Client({ host, port, user: 'postgres', password, database: 'postgres', connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ folder: string }>('SELECT current_setting($1) AS folder', ['data_directory']);
    return rows[0]?.folder === cluster.folder ? 'serving' : 'absent';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'ECONNREFUSED' || code === 'ENOENT' ? 'absent' : 'ending';
  } finally {
    await client.end().catch(() => undefined);
  }
}
