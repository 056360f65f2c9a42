import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { baseline } from '../src/baseline.ts';
import { readCatalogue } from '../src/catalogue.ts';
import { withDatabase } from '../src/connection.ts';
import { loadDump } from '../src/load-dump.ts';
import { migrate } from '../src/migrate.ts';
import { readMigrations } from '../src/migration-history.ts';
import { cleanup, connect, recordingLog, run, testServer } from './server.ts';

/** Recordings of a live v0.3.42, which lie beside the repository. */
const golden = fileURLToPath(new URL('../../../../shared/golden/', import.meta.url));
const undo = cleanup();

describe.skipIf(!existsSync(golden))('a real database of v0.3.42', () => {
  const server = testServer();

  async function databaseOf(name: string, script: string): Promise<string> {
    await run(server.url, `CREATE DATABASE ${name}`);
    const url = withDatabase(server.url, name);
    await loadDump(url, script);
    return url;
  }

  async function client(url: string): Promise<Client> {
    const connected = await connect(url);
    undo(() => connected.end());
    return connected;
  }

  async function describeSchema(url: string): Promise<{ catalogue: string[]; order: unknown[]; sequences: unknown[] }> {
    const connected = await client(url);
    await connected.query('BEGIN');
    const catalogue = await readCatalogue(connected, 'public');
    const order = await connected.query(
      `SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns FROM information_schema.columns
        WHERE table_schema = 'public' GROUP BY table_name ORDER BY table_name`,
    );
    const sequences = await connected.query(
      `SELECT sequencename, data_type::text, start_value, increment_by, max_value, cache_size,
              (SELECT refobjid::regclass || '.' || attname FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
                WHERE objid = (schemaname || '.' || sequencename)::regclass AND deptype = 'a') AS owner
         FROM pg_sequences WHERE schemaname = 'public' ORDER BY sequencename`,
    );
    await connected.query('ROLLBACK');
    return { catalogue, order: order.rows, sequences: sequences.rows };
  }

  it('has exactly the schema of the first migration', async () => {
    const recorded = await databaseOf('recorded', readFileSync(`${golden}schema.sql`, 'utf8'));
    const made = await databaseOf('made', (await readMigrations())[0]?.sql ?? '');
    const expected = await describeSchema(recorded);
    expect(expected.catalogue.length).toBeGreaterThan(200);
    expect(expected.sequences).toHaveLength(12);
    expect(await describeSchema(made)).toEqual(expected);
  });

  it('is taken over in place: its rows stay as they are', async () => {
    const url = await databaseOf('existing', readFileSync(`${golden}existing-db.sql`, 'utf8'));
    const tables = await run<{ name: string }>(url, `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`);
    expect(tables).toHaveLength(12);
    const columns = new Map<string, string>();
    for (const { name } of tables) {
      const list = await run<{ list: string }>(
        url,
        `SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS list FROM information_schema.columns
          WHERE table_schema = 'public' AND table_name = $1`,
        [name],
      );
      columns.set(name, list[0]?.list ?? '');
    }
    const rowsOf = async (): Promise<unknown[]> => {
      const connected = await client(url);
      const everything: unknown[] = [];
      // As text, so that a number that would be shown differently is a difference.
      for (const [name, list] of columns) everything.push((await connected.query(`SELECT t::text FROM (SELECT ${list} FROM public.${name} ORDER BY id) t`)).rows);
      return everything;
    };
    const before = await rowsOf();
    expect(before.flat().length).toBeGreaterThan(2_500);

    await expect(migrate(url, { log: recordingLog() })).rejects.toMatchObject({ name: 'AdoptionNeededError' });
    await baseline(url, '20260101000000_v0_3_42', { log: recordingLog() });
    expect(await migrate(url, { log: recordingLog() })).toEqual({ applied: ['20261101000000_hub'] });
    expect(await rowsOf()).toEqual(before);
    // Nothing that was there before counts as a change.
    expect(await run(url, 'SELECT count(*)::int AS changes FROM hub_config_change')).toEqual([{ changes: 0 }]);
    // The numbers go on where they were.
    const [next] = await run<{ fits: boolean }>(
      url,
      `WITH added AS (INSERT INTO users (name) VALUES ('new') RETURNING id) SELECT added.id > (SELECT max(id) FROM users) AS fits FROM added`,
    );
    expect(next?.fits).toBe(true);
  });
});
