import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedDatabaseError } from './errors.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** What a client appends to a folder given as host. The port only names the file, nothing listens on it over TCP. */
export const socketPort = 5432;

export const socketFile = `.s.PGSQL.${socketPort}`;

const serverFolder = 'pg';

/** The kernel's limit for the path of a socket is 104 bytes on macOS and 108 on Linux, terminator included. */
const longestPath = 100;

/**
 * The folder for the sockets of one data folder: `<dataDir>/run`, or one in the temp folder that is named after the data
 * folder if that path would be too long.
 *
 * @throws EmbeddedDatabaseError when somebody else owns the folder
 */
export function prepareRunDirectory(dataDir: string): string {
  const name = `hub-${shortHash(dataDir)}`;
  const candidates = [join(dataDir, 'run'), join(tmpdir(), name), join('/tmp', name)];
  const directory = candidates.find((candidate) => Buffer.byteLength(join(candidate, serverFolder, socketFile)) <= longestPath);
  if (directory === undefined) throw new EmbeddedDatabaseError(`the path of the temp folder ${tmpdir()} is too long`);
  mkdirSync(directory, { recursive: true });
  const status = lstatSync(directory);
  // The temp folder is shared: in a folder planted there by somebody else our sockets would be theirs.
  if (!status.isDirectory() || (process.getuid !== undefined && status.uid !== process.getuid())) {
    throw new EmbeddedDatabaseError(`${directory} belongs to somebody else; remove it`);
  }
  chmodSync(directory, 0o711);
  return directory;
}

/**
 * The folder for the server's own socket. Whoever can enter it is a superuser of the database, so only the server's
 * account (and root) can.
 */
export function prepareSocketDirectory(runDirectory: string, identity: ProcessIdentity | null): string {
  const directory = join(runDirectory, serverFolder);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  if (identity !== null) chownSync(directory, identity.uid, identity.gid);
  else if (process.getuid?.() === 0) chownSync(directory, 0, 0);
  return directory;
}

/** Sixteen hex digits that stand for a path. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
