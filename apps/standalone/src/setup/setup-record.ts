import { createHash } from 'node:crypto';
import type { DataFolder } from '../data-folder.ts';

/**
 * What was made at a first start, so that it is never made twice: what the admin deletes stays deleted. Belongs to one
 * database; with another one everything begins afresh.
 */
export interface SetupRecord {
  /** Stands for the database. */
  readonly database: string;
  /** Prices were looked at, and added if there were none. */
  prices?: boolean;
  demo?: DemoRecord;
  /** Providers made from a vendor's key in the environment, by vendor. */
  vendors: Record<string, readonly number[]>;
}

export interface DemoRecord {
  /** Unset: the database was in use already, so no demo was put into it. */
  userId?: number;
  keyId?: number;
  /** Where the upstream was when its providers were last looked at. */
  upstreamUrl?: string;
  /** By provider type. */
  providers: Record<string, number>;
  /** Switched off by HUB_DEMO=0. */
  disabled?: boolean;
}

const file = 'setup.json';

/** @param databaseUrl undefined for the embedded one, which lives in this folder */
export function readSetupRecord(folder: DataFolder, databaseUrl: string | undefined): SetupRecord {
  const database = databaseUrl === undefined ? 'embedded' : createHash('sha256').update(withoutCredentials(databaseUrl)).digest('hex');
  const kept = folder.read(file) as SetupRecord | undefined;
  return kept?.database === database ? kept : { database, vendors: {} };
}

/** Whether a hub on this folder has served this database before. */
export function wasSetUp(folder: DataFolder, databaseUrl: string | undefined): boolean {
  return readSetupRecord(folder, databaseUrl).prices === true;
}

export function writeSetupRecord(folder: DataFolder, record: SetupRecord): void {
  folder.write(file, record);
}

/** A password that changes does not make it another database. */
function withoutCredentials(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return databaseUrl;
  const { hostname, port, pathname, searchParams } = new URL(databaseUrl);
  return [hostname, port, pathname, searchParams.get('host') ?? ''].join(' ');
}
