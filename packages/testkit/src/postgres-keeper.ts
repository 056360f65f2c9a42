/**
 * A process that keeps one embedded PostgreSQL for all test processes of a checkout, so that a suite waits for a database
 * (some 60 ms), not for a server. Whoever connects to the socket given as argument is told the server's URL and holds it
 * for as long as the connection lives: the kernel closes it even for a test process that is killed. Some seconds after the
 * last one has gone the keeper stops the server, removes its data and ends.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '@hub/postgres';
import { silentLogger } from '@hub/service';
import type { KeeperWord } from './postgres-lease.ts';

/** Spans the gap between two test files of one run. */
const lingerMs = 5000;
/** A keeper that nobody wants: whoever started it died at once. */
const firstLeaseMs = 20_000;

const [socketPath = ''] = process.argv.slice(2);
const leases = new Set<Socket>();
let goodbye: NodeJS.Timeout = setTimeout(() => {}, 0);
let word: KeeperWord | undefined;

const listener = createServer((socket) => {
  clearTimeout(goodbye);
  leases.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => {
    leases.delete(socket);
    if (leases.size === 0) goodbye = setTimeout(end, lingerMs);
  });
  socket.resume();
  if (word !== undefined) tell(socket, word);
});
const dataDir = mkdtempSync(join(tmpdir(), 'hub-test-postgres-'));
// The server runs as somebody else when we are root, and has to get to its folder inside.
chmodSync(dataDir, 0o711);
let stopServer = async (): Promise<void> => {};

await claim(listener);
goodbye = setTimeout(end, firstLeaseMs);
try {
  const server = await startEmbedded({ dataDir, engine: 'postgres', durable: false, log: silentLogger });
  stopServer = server.stop;
  announce({ url: server.url });
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  announce({ error: error instanceof Error ? error.message : String(error) });
  end();
}
process.on('SIGTERM', end);
process.on('SIGINT', end);

/** Another keeper that was quicker holds the path: then this one is not needed. */
async function claim(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.once('error', () => {
      rmSync(dataDir, { recursive: true, force: true });
      process.exit(0);
    });
    server.listen(socketPath, resolve);
  });
}

function announce(said: KeeperWord): void {
  word = said;
  for (const socket of leases) tell(socket, said);
}

function tell(socket: Socket, said: KeeperWord): void {
  socket.write(`${JSON.stringify(said)}\n`);
}

function end(): void {
  // Takes the path away: from now on test processes start a keeper of their own.
  const closed = new Promise((resolve) => listener.close(resolve));
  for (const socket of leases) socket.end();
  void Promise.all([stopServer(), closed]).finally(() => {
    rmSync(dataDir, { recursive: true, force: true });
    process.exit(0);
  });
}
