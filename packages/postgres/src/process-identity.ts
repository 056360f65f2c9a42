import { readFileSync, statSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { EngineUnavailableError } from './errors.ts';

/** The account that a PostgreSQL server runs as. */
export interface ProcessIdentity {
  uid: number;
  gid: number;
  name: string;
}

/**
 * PostgreSQL refuses to run as root. Root's server runs as the owner of the existing data folder, else as `postgres` or
 * `nobody`; everybody else's runs as themselves (null).
 *
 * @throws EngineUnavailableError when root finds no account to run it as
 */
export function serverIdentity(existingDataFolder: string | null): ProcessIdentity | null {
  if (process.getuid?.() !== 0) return null;
  const accounts = readAccounts();
  if (existingDataFolder !== null) {
    const { uid, gid } = statSync(existingDataFolder);
    if (uid !== 0) return { uid, gid, name: accounts.find((account) => account.uid === uid)?.name ?? String(uid) };
  }
  const account = accounts.find(({ name }) => name === 'postgres') ?? accounts.find(({ name }) => name === 'nobody');
  if (account === undefined) throw new EngineUnavailableError('PostgreSQL refuses to run as root and there is no account "postgres" or "nobody"');
  return account;
}

function readAccounts(): ProcessIdentity[] {
  let passwd: string;
  try {
    passwd = readFileSync('/etc/passwd', 'utf8');
  } catch {
    return [];
  }
  return passwd
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
}

/** Whether that account can get into the folder, through all its parents. */
export function canEnter(folder: string, identity: ProcessIdentity): boolean {
  return holds('test -x "$1"', folder, identity);
}

/** Whether that account can change what is in the folder. */
export function canWrite(folder: string, identity: ProcessIdentity): boolean {
  return holds('test -w "$1" && test -x "$1"', folder, identity);
}

function holds(script: string, folder: string, { uid, gid }: ProcessIdentity): boolean {
  return spawnSync('/bin/sh', ['-c', script, 'sh', folder], { uid, gid, cwd: '/', stdio: 'ignore' }).status === 0;
}
