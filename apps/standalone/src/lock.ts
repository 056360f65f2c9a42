import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from './terminal.ts';

/** The kernel's limit for the path of a socket is 104 bytes on macOS and 108 on Linux, terminator included. */
const longestPath = 100;
/** A holder answers at once; one that is too busy to answer still holds. */
const answerWithinMs = 2_000;

/**
 * Makes this process the only launcher of a data folder. The lock is a listening socket: the kernel ends it together with
 * the process, however that dies, and unlike a process id in a file it can't be mistaken for somebody else's.
 *
 * @returns the release
 * @throws StartError when a living process holds it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const address = lockAddress(folder);
  let server = await listen(address);
  if (server === undefined) {
    const holder = await askHolder(address);
    if (holder !== undefined) throw new StartError(`a hub is already running on ${folder} (process ${holder}): stop it, or set another HUB_DATA_DIR`);
    // Left over by a launcher that was killed.
    rmSync(address, { force: true });
    server = await listen(address);
    if (server === undefined) throw new StartError(`another hub is just starting on ${folder}`);
  }
  const lock = server.unref();
  return () => new Promise((resolve) => lock.close(() => resolve()));
}

function lockAddress(folder: string): string {
  const name = `hub-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  const inside = join(folder, 'launcher.sock');
  return Buffer.byteLength(inside) <= longestPath ? inside : join(tmpdir(), `${name}.sock`);
}

/** Undefined when the address is taken, by a living holder or by the socket file of a dead one. */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => undefined).end(String(process.pid)));
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EEXIST') resolve(undefined);
      else reject(new StartError(`can't listen on ${address}: ${error.message}`));
    });
    server.listen(address, () => resolve(server));
  });
}

/** The holder's process id, "unknown" if it does not answer, undefined if nobody is there. */
function askHolder(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    let connected = false;
    const socket = connect(address);
    socket.setEncoding('utf8').setTimeout(answerWithinMs, () => socket.destroy());
    socket.on('connect', () => (connected = true));
    socket.on('data', (part: string) => (answer += part));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(connected ? answer || 'unknown' : undefined));
  });
}
