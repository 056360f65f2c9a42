import { type ClientBase, DatabaseError } from 'pg';
import { inTransaction, withClient } from './connection.ts';
import { AdoptionNeededError, DatabaseNewerError, MigrationError } from './errors.ts';
import type { Log } from './log.ts';
import { type HistoryEntry, type Migration, hasTable, lockMigrations, readHistory, readMigrations, recordMigration } from './migration-history.ts';

export interface MigrateOptions {
  log: Log;
  /** Folder in Prisma's layout; unset is the repository's prisma/migrations. */
  migrationsDir?: string;
}

/**
 * How long a migration waits for a table that others are using. While it waits, everybody else waits behind it, so it
 * rather gives up: nothing is lost, and the next start tries again.
 */
const lockTimeoutMs = 30_000;

/**
 * Applies what is missing, each migration in one transaction together with its row in Prisma's table: one that fails
 * leaves nothing behind. Any number of processes may do this at the same time.
 *
 * @returns the names that this call applied
 * @throws DatabaseNewerError | AdoptionNeededError | MigrationError
 */
export async function migrate(url: string, { log, migrationsDir }: MigrateOptions): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(migrationsDir);
  return withClient(url, async (client) => {
    const applied: string[] = [];
    for (;;) {
      const name = await inTransaction(client, () => applyNext(client, migrations, log));
      if (name === null) return { applied };
      log.info(`applied migration ${name}`);
      applied.push(name);
    }
  });
}

/** @returns the name, or null when nothing is pending */
async function applyNext(client: ClientBase, migrations: readonly Migration[], log: Log): Promise<string | null> {
  await client.query('SET LOCAL statement_timeout = 0');
  await lockMigrations(client, () => log.info('waiting for another process that is migrating the database'));
  const history = await readHistory(client);
  if ((history === null || history.length === 0) && (await hasTable(client, 'message_request'))) throw new AdoptionNeededError();
  const pending = pendingMigrations(migrations, history ?? []);
  const next = pending[0];
  if (next === undefined) return null;

  await client.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
  try {
    await client.query(next.sql);
  } catch (error) {
    throw describeFailure(next, error);
  }
  await recordMigration(client, next, 1);
  return next.name;
}

/** @throws when the history and the migrations contradict each other */
function pendingMigrations(migrations: readonly Migration[], history: readonly HistoryEntry[]): Migration[] {
  const failed = history.find((entry) => !entry.finished);
  if (failed !== undefined) {
    throw new MigrationError(`migration ${failed.name} failed half-way in this database; repair it, then mark it with \`prisma migrate resolve\``);
  }
  const known = new Map(migrations.map((migration) => [migration.name, migration.checksum]));
  const unknown = history.filter((entry) => !known.has(entry.name));
  if (unknown.length > 0) throw new DatabaseNewerError(unknown.map((entry) => entry.name));
  const edited = history.find((entry) => known.get(entry.name) !== entry.checksum);
  if (edited !== undefined) throw new MigrationError(`migration ${edited.name} was edited after it had been applied to this database`);
  const done = new Set(history.map((entry) => entry.name));
  return migrations.filter((migration) => !done.has(migration.name));
}

function describeFailure({ name, sql }: Migration, error: unknown): MigrationError {
  if (!(error instanceof DatabaseError)) return new MigrationError(`migration ${name} failed: ${String(error)}`, { cause: error });
  if (error.code === '55P03') {
    return new MigrationError(`migration ${name} could not get hold of a table within ${lockTimeoutMs / 1_000} s because others are using it; try again`, { cause: error });
  }
  const line = error.position === undefined ? '' : ` (line ${sql.slice(0, Number(error.position)).split('\n').length})`;
  return new MigrationError(`migration ${name} failed${line}: ${error.message}`, { cause: error });
}
