import { createHash, randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClientBase } from 'pg';
import { MigrationError } from './errors.ts';

/** A folder below prisma/migrations. */
export interface Migration {
  /** The folder's name; names sort in the order of application. */
  name: string;
  sql: string;
  /** SHA-256 of the script in hex, as Prisma stores it. */
  checksum: string;
}

/** A row of Prisma's table. */
export interface HistoryEntry {
  name: string;
  checksum: string;
  finished: boolean;
}

/** Prisma's own migrations, whose advisory lock and table we share: `prisma migrate` can be used on the same database. */
const prismaLock = 72707369;

const defaultMigrations = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));

/**
 * Reads all migrations in their order.
 *
 * @throws MigrationError when there are none, which means that the folder is the wrong one
 */
export async function readMigrations(folder: string = defaultMigrations): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new MigrationError(`can't read migrations from ${folder}`, { cause: error });
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  if (names.length === 0) throw new MigrationError(`there are no migrations in ${folder}`);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/** Waits for whoever else is migrating, until the end of the transaction. */
export async function lockMigrations(client: ClientBase, onWait: () => void): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS taken', [prismaLock]);
  if (rows[0]?.taken === true) return;
  onWait();
  await client.query('SELECT pg_advisory_xact_lock($1)', [prismaLock]);
}

/** What the database says it has; null if it has no such table. */
export async function readHistory(client: ClientBase): Promise<HistoryEntry[] | null> {
  if (!(await hasTable(client, '_prisma_migrations'))) return null;
  const { rows } = await client.query<HistoryEntry>(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
       FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

/** Whether a table of that name is found without a schema. */
export async function hasTable(client: ClientBase, name: string): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>('SELECT to_regclass($1) IS NOT NULL AS exists', [name]);
  return rows[0]?.exists === true;
}

/** Records a migration as applied in this transaction, in the same form as Prisma; `steps` is 0 for one that was not run. */
export async function recordMigration(client: ClientBase, { name, checksum }: Migration, steps: 0 | 1): Promise<void> {
  await client.query(
    `CREATE TABLE IF NOT EXISTS _prisma_migrations (
       id varchar(36) PRIMARY KEY NOT NULL,
       checksum varchar(64) NOT NULL,
       finished_at timestamptz,
       migration_name varchar(255) NOT NULL,
       logs text,
       rolled_back_at timestamptz,
       started_at timestamptz NOT NULL DEFAULT now(),
       applied_steps_count integer NOT NULL DEFAULT 0
     )`,
  );
  await client.query(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
     VALUES ($1, $2, $3, now(), clock_timestamp(), $4)`,
    [randomUUID(), checksum, name, steps],
  );
}
