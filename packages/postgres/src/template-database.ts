import { createHash, randomUUID } from 'node:crypto';
import type { ClientBase } from 'pg';
import { withClient, withDatabase } from './connection.ts';
import type { Log } from './log.ts';
import { migrate } from './migrate.ts';
import { readMigrations } from './migration-history.ts';

/** Serialises the making of templates, between processes; an arbitrary number. */
const templateLock = 6845795;

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A database of its own for one test. */
export interface TestDatabase {
  url: string;
  /** Ends all its connections and removes it. */
  drop(): Promise<void>;
}

/**
 * A new database with all migrations applied. They are applied once for each server and state of the migrations, to a
 * template that every further database is a copy of.
 *
 * @param serverUrl a superuser's URL of any database on the server
 */
export async function templateDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = `hub_test_${randomUUID().replaceAll('-', '')}`;
  await withClient(serverUrl, async (client) => {
    const template = await prepareTemplate(client, serverUrl);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  return {
    url: withDatabase(serverUrl, name),
    drop: () => withClient(serverUrl, async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))),
  };
}

/** @returns the template's name, which holds a digest of the migrations */
async function prepareTemplate(client: ClientBase, serverUrl: string): Promise<string> {
  const digest = createHash('sha256');
  for (const { name, checksum } of await readMigrations()) digest.update(`${name} ${checksum}\n`);
  const template = `hub_template_${digest.digest('hex').slice(0, 16)}`;
  const exists = async (): Promise<boolean> => (await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template])).rowCount !== 0;
  if (await exists()) return template;
  await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
  try {
    if (!(await exists())) {
      // Takes its name when it is complete.
      const unfinished = `${template}_new`;
      await client.query(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
      await client.query(`CREATE DATABASE ${unfinished}`);
      await migrate(withDatabase(serverUrl, unfinished), { log: silent });
      await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${template}`);
      // Nobody can be in it by mistake, which would make copying fail.
      await client.query(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS false`);
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [templateLock]);
  }
  return template;
}
