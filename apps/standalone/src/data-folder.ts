import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from './terminal.ts';

/** Everything that one hub keeps: the embedded database, the planes' folders, secrets, and notes of the launcher. */
export interface DataFolder {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** A folder in it, made if it does not exist. */
  folder(name: string): string;
  /** The secret of that name; generated the first time. */
  secret(name: string): string;
  /** What was written under that name, or undefined. */
  read(name: string): unknown;
  /** Replaces it as a whole, or not at all. */
  write(name: string, value: unknown): void;
}

const secretBytes = 24;

/** @throws StartError if it can't be made or written to */
export function openDataFolder(path: string): DataFolder {
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o700 });
    // PostgreSQL refuses to run as root, and the account that it then runs as has to get through to its own folder.
    if (made !== undefined && process.getuid?.() === 0) chmodSync(path, 0o711);
    const probe = join(path, `.probe-${process.pid}`);
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new StartError(`can't write to the data folder ${path} (${code}): set HUB_DATA_DIR to a folder that this user can write to`);
  }
  return inFolder(realpathSync(path));
}

function inFolder(path: string): DataFolder {
  const file = (name: string) => join(path, name);
  return {
    path,
    folder(name) {
      mkdirSync(file(name), { recursive: true, mode: 0o700 });
      return file(name);
    },
    secret(name) {
      const kept = readText(file(name))?.trim();
      if (kept) return kept;
      const secret = randomBytes(secretBytes).toString('hex');
      replace(file(name), `${secret}\n`);
      return secret;
    },
    read(name) {
      const text = readText(file(name));
      try {
        return text === undefined ? undefined : (JSON.parse(text) as unknown);
      } catch {
        throw new StartError(`${file(name)} is damaged: repair it, or remove it to begin afresh`);
      }
    },
    write(name, value) {
      replace(file(name), `${JSON.stringify(value, null, 2)}\n`);
    },
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(`can't read ${path}: ${(error as Error).message}`);
  }
}

function replace(path: string, text: string): void {
  const next = `${path}.new`;
  // A left-over of an interrupted write may have other permissions.
  rmSync(next, { force: true });
  writeFileSync(next, text, { mode: 0o600, flush: true });
  renameSync(next, path);
}
