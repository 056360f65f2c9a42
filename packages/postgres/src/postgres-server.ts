import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EngineOptions, RunningEngine } from './engine.ts';
import { EmbeddedDatabaseError, EngineUnavailableError } from './errors.ts';
import { stopLeftOver } from './left-over-server.ts';
import type { Log } from './log.ts';
import { type PostgresBinaries, locateBinaries } from './postgres-binaries.ts';
import { checkCluster, createCluster, findCluster, serverProcessOptions } from './postgres-cluster.ts';
import { type ProcessIdentity, canEnter, serverIdentity } from './process-identity.ts';
import { prepareSocketDirectory, socketPort } from './run-directory.ts';

/** A fast shutdown writes a checkpoint; after this long the server is told to leave at once and recover at next start. */
const stopWithinMs = 60_000;

/**
 * Runs the server as a child that does not outlive us: the shell's standard input is our end of a pipe, which closes when
 * this process dies in whatever way, and then the server gets the signal for a fast shutdown. The shell ignores the
 * terminal's and the service manager's signals: it is for us to say when the database may go.
 */
const guard = `
trap '' TERM INT HUP
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
( read -r _ <&3; kill -INT "$server" ) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
exit "$status"`;

/**
 * Starts real PostgreSQL on `<dataDir>/postgres`, which is created if it does not exist.
 *
 * @throws EngineUnavailableError when it can't run here and there is no data of it yet
 * @throws EmbeddedDatabaseError when there is data but it can't be opened
 */
export async function startPostgres(options: EngineOptions): Promise<RunningEngine> {
  const { dataDir, log } = options;
  const cluster = findCluster(dataDir);
  const identity = serverIdentity(cluster.major === null ? null : cluster.folder);
  if (identity !== null && !canEnter(dataDir, identity)) {
    throw new EngineUnavailableError(`PostgreSQL refuses to run as root, and the account ${identity.name} can't get to ${dataDir}`);
  }
  const binaries = locateBinaries(dataDir, identity);
  if (cluster.major === null) createCluster(cluster, binaries, identity, options.durable);
  else checkCluster(cluster, binaries, identity);

  await stopLeftOver(cluster, log);
  const socketDirectory = prepareSocketDirectory(options.runDirectory, identity);
  // Node.js can't connect to PostgreSQL's sockets on Windows.
  const port = process.platform === 'win32' ? (options.port ?? (await freePort())) : options.port;
  const child = launch(binaries, identity, settingsOf(cluster.folder, { socketDirectory, port, durable: options.durable }));
  await untilReady(child, cluster.folder, log);
  log.info(`embedded PostgreSQL ${binaries.version} runs on ${cluster.folder}`);
  const url =
    port === null
      ? `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(socketDirectory)}`
      : `postgresql://postgres:${readFileSync(cluster.passwordFile, 'utf8').trim()}@127.0.0.1:${port}/postgres`;
  return { engine: 'postgres', url, ...supervise(child, cluster.folder, log) };
}

/** The server's command line. Everything the database needs is on it, so that its own configuration file stays pristine. */
function settingsOf(folder: string, { socketDirectory, port, durable }: { socketDirectory: string; port: number | null; durable: boolean }): string[] {
  const settings: Record<string, string> = {
    listen_addresses: port === null ? '' : '127.0.0.1',
    unix_socket_directories: process.platform === 'win32' ? '' : socketDirectory,
    shared_buffers: '64MB',
    max_connections: '100',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', folder, '-p', String(port ?? socketPort), ...options];
}

function launch({ postgres }: PostgresBinaries, identity: ProcessIdentity | null, settings: string[]): ChildProcess {
  const [command, parameters] =
    process.platform === 'win32' ? [postgres, settings] : ['/bin/sh', ['-c', guard, 'sh', postgres, ...settings]];
  // In a process group of its own, else Ctrl-C would take the database away before its users have finished.
  return spawn(command, parameters, { ...serverProcessOptions(identity), stdio: ['pipe', 'ignore', 'pipe'], detached: true });
}

/** Passes the server's messages on to the log; resolves when it accepts connections. */
function untilReady(child: ChildProcess, folder: string, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    const fail = (reason: string): void => reject(new EmbeddedDatabaseError(`PostgreSQL does not start on ${folder}: ${reason}`));
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        log.debug(`postgres: ${line}`);
        if (/ (?:FATAL|PANIC): /.test(line)) complaint = line.replace(/^.* (?=FATAL|PANIC)/, '');
        if (line.includes('database system is ready to accept connections')) resolve();
      });
    }
    child.once('error', (error) => fail(error.message));
    child.once('close', (status) => fail(complaint || `exit status ${String(status)}`));
  });
}

function supervise(child: ChildProcess, folder: string, log: Log): Pick<RunningEngine, 'stop' | 'ended'> {
  let stopping: Promise<void> | null = null;
  const ended = new Promise<string | null>((resolve) => {
    child.once('exit', (status, signal) => {
      if (stopping !== null) return resolve(null);
      const reason = `embedded PostgreSQL ended unexpectedly (${signal ?? `exit status ${String(status)}`})`;
      log.error(reason);
      resolve(reason);
    });
  });
  async function shutDown(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const timer = setTimeout(() => killPostmaster(folder), stopWithinMs);
    if (process.platform === 'win32') child.kill();
    else child.stdin?.end();
    await gone;
    clearTimeout(timer);
  }
  return { ended, stop: () => (stopping ??= shutDown()) };
}

function killPostmaster(folder: string): void {
  try {
    process.kill(Number.parseInt(readFileSync(join(folder, 'postmaster.pid'), 'utf8'), 10), 'SIGQUIT');
  } catch {
    // It has just gone.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port'))));
    });
  });
}
