import { randomUUID } from 'node:crypto';
import type { ClientBase } from 'pg';
import { missingFrom, readCatalogue } from './catalogue.ts';
import { inTransaction, withClient } from './connection.ts';
import { BaselineMismatchError, MigrationError } from './errors.ts';
import type { MigrateOptions } from './migrate.ts';
import { type Migration, lockMigrations, readHistory, readMigrations, recordMigration } from './migration-history.ts';

/**
 * Records that the database already has a migration, without running it, after making sure that it does: everything that
 * the migration makes must be there in the same form. More than that may be there. Already recorded is fine.
 *
 * @param name the migration's folder, such as 20260101000000_v0_3_42
 * @throws BaselineMismatchError with the list of what is missing; MigrationError for an unknown name
 */
export async function baseline(url: string, name: string, { log, migrationsDir }: MigrateOptions): Promise<void> {
  const migration = (await readMigrations(migrationsDir)).find((candidate) => candidate.name === name);
  if (migration === undefined) throw new MigrationError(`there is no migration ${name}`);
  await withClient(url, async (client) => {
    const missing = await missingParts(client, migration);
    if (missing.length > 0) throw new BaselineMismatchError(name, missing);
    await inTransaction(client, async () => {
      await lockMigrations(client, () => log.info('waiting for another process that is migrating the database'));
      const history = await readHistory(client);
      if (history?.some((entry) => entry.name === name) === true) return;
      await recordMigration(client, migration, 0);
      log.info(`the database has ${name} already; recorded`);
    });
  });
}

/**
 * What a migration would make in an empty schema that the database's own schema does not have. Makes it there, in a
 * transaction that is rolled back.
 */
async function missingParts(client: ClientBase, migration: Migration): Promise<string[]> {
  await client.query('BEGIN');
  try {
    const { rows } = await client.query<{ schema: string }>('SELECT current_schema() AS schema');
    const actual = await readCatalogue(client, rows[0]?.schema ?? 'public');
    const probe = `hub_probe_${randomUUID()}`;
    await client.query(`CREATE SCHEMA "${probe}"`);
    await client.query(`SET LOCAL search_path = "${probe}"`);
    await client.query(migration.sql);
    return missingFrom(actual, await readCatalogue(client, probe));
  } finally {
    await client.query('ROLLBACK');
  }
}
