import { rmSync } from 'node:fs';
import { type Server, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { EmbeddedDatabaseError } from './errors.ts';
import { shortHash } from './run-directory.ts';

/** A holder answers with its process id at once; one that is too busy to answer still holds. */
const answerWithinMs = 2_000;

/**
 * Makes this process the only launcher of a data folder. The lock is a listening socket: the kernel ends it together with
 * the process, however that dies, and unlike a process id in a file it can't be mistaken for somebody else's.
 *
 * @returns the release
 * @throws EmbeddedDatabaseError when a living process holds it
 */
export async function acquireLauncherLock(dataDir: string, runDirectory: string): Promise<() => Promise<void>> {
  const address = process.platform === 'win32' ? `\\\\.\\pipe\\hub-${shortHash(dataDir)}` : join(runDirectory, 'launcher.sock');
  let server = await listen(address);
  if (server === null) {
    const holder = await askHolder(address);
    if (holder !== null) throw new EmbeddedDatabaseError(`the data folder ${dataDir} is in use by process ${holder}`);
    // Left over by a launcher that was killed.
    rmSync(address, { force: true });
    server = await listen(address);
    if (server === null) throw new EmbeddedDatabaseError(`the data folder ${dataDir} is being opened by another process`);
  }
  const lock = server;
  lock.unref();
  return async function release() {
    await new Promise<void>((resolve) => lock.close(() => resolve()));
  };
}

/** Null when the address is taken, by a living holder or by the socket file of a dead one. */
function listen(address: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => undefined).end(String(process.pid)));
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EEXIST') resolve(null);
      else reject(new EmbeddedDatabaseError(`can't listen on ${address}: ${error.message}`));
    });
    server.listen(address, () => resolve(server));
  });
}

/** The holder's process id, "unknown" if it does not answer, null if nobody is there. */
function askHolder(address: string): Promise<string | null> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(address);
    socket.setEncoding('utf8').setTimeout(answerWithinMs, () => socket.destroy());
    socket.on('data', (part: string) => (answer += part));
    let connected = false;
    socket.on('connect', () => (connected = true));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(connected ? answer || 'unknown' : null));
  });
}
