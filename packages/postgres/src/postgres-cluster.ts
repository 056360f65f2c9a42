import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedDatabaseError, EngineUnavailableError, firstLine } from './errors.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { type ProcessIdentity, canWrite } from './process-identity.ts';

/** The files of one PostgreSQL data folder. */
export interface Cluster {
  folder: string;
  /** Holds the superuser's password, which only TCP connections need. */
  passwordFile: string;
  /** The major version that made it; null if there is none yet. */
  major: string | null;
}

/** Looks for the cluster of a data folder. */
export function findCluster(dataDir: string): Cluster {
  const folder = join(dataDir, 'postgres');
  const versionFile = join(folder, 'PG_VERSION');
  return {
    folder,
    passwordFile: join(dataDir, 'postgres-password'),
    major: existsSync(versionFile) ? readFileSync(versionFile, 'utf8').trim() : null,
  };
}

/** @throws EmbeddedDatabaseError when these binaries, run by that account, can't open the existing cluster */
export function checkCluster({ folder, major }: Cluster, binaries: PostgresBinaries, identity: ProcessIdentity | null): void {
  if (major !== binaries.major) {
    throw new EmbeddedDatabaseError(
      `the data folder ${folder} belongs to PostgreSQL ${major}, this build brings ${binaries.major}; ` +
        'dump it with the version that wrote it, or set DATABASE_URL to a server of that version',
    );
  }
  if (identity !== null && !canWrite(folder, identity)) {
    throw new EmbeddedDatabaseError(`the account ${identity.name} can't write to the data folder ${folder}`);
  }
}

/**
 * Runs initdb under a temporary name, so that an interrupted one leaves nothing that looks like a database.
 *
 * @throws EngineUnavailableError when it can't be made here
 */
export function createCluster({ folder, passwordFile }: Cluster, binaries: PostgresBinaries, identity: ProcessIdentity | null, durable: boolean): void {
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  writeFileSync(passwordFile, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  if (identity !== null) for (const path of [unfinished, passwordFile]) chownSync(path, identity.uid, identity.gid);
  const options = ['-D', unfinished, '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  // Over the socket its folder's permissions decide who may come in; over TCP the password does.
  options.push('--auth-local=trust', '--auth-host=scram-sha-256', `--pwfile=${passwordFile}`);
  if (!durable) options.push('--no-sync');
  const run = spawnSync(binaries.initdb, options, { ...serverProcessOptions(identity), encoding: 'utf8' });
  if (run.status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    const complaint = /(?:fatal|error|could not).*/i.exec(run.stderr ?? '')?.[0];
    throw new EngineUnavailableError(`initdb failed: ${firstLine(run.error ?? complaint ?? `exit status ${String(run.status)}`)}`);
  }
  // A folder without PG_VERSION is no database: at most what a failed attempt left.
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
}

/** Account, folder and environment for PostgreSQL's programs. The C locale makes them write the messages we look for. */
export function serverProcessOptions(identity: ProcessIdentity | null): { uid?: number; gid?: number; cwd?: string; env?: NodeJS.ProcessEnv } {
  if (process.platform === 'win32') return {};
  const account = identity === null ? {} : { uid: identity.uid, gid: identity.gid };
  return { ...account, cwd: '/', env: { LC_ALL: 'C', TZ: 'UTC' } };
}
