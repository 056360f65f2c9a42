import { once } from 'node:events';
import type { Client, QueryResultRow } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, templateDatabase } from '../src/template-database.ts';
import { connect, testServer } from './server.ts';

const server = testServer();
let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await templateDatabase(server.url);
  client = await connect(database.url);
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

async function query<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
  return (await client.query<Row>(sql, values)).rows;
}

interface Change {
  revision: string;
  entity: string;
  entity_id: number | null;
}

async function changesAfter(revision: string): Promise<Change[]> {
  return query<Change>('SELECT revision, entity, entity_id FROM hub_config_change WHERE revision > $1 ORDER BY revision', [revision]);
}

async function latestRevision(): Promise<string> {
  const [row] = await query<{ revision: string }>('SELECT coalesce(max(revision), 0) AS revision FROM hub_config_change');
  return row?.revision ?? '0';
}

describe('a change of configuration', () => {
  it.each([
    ['user', 'users', `(name) VALUES ('n')`, 'description'],
    ['key', 'keys', `(user_id, key, name) VALUES (1, 'sk-1', 'n')`, 'name'],
    ['provider', 'providers', `(name, url, key) VALUES ('n', 'u', 'k')`, 'name'],
    ['price', 'model_prices', `(model_name, price_data) VALUES ('m', '{}')`, 'model_name'],
    ['error_rule', 'error_rules', `(pattern, category) VALUES ('p', 'c')`, 'category'],
    ['request_filter', 'request_filters', `(name, scope, action, target) VALUES ('n', 'body', 'set', 't')`, 'name'],
    ['sensitive_word', 'sensitive_words', `(word) VALUES ('w')`, 'word'],
    ['settings', 'system_settings', `DEFAULT VALUES`, 'site_title'],
  ])('of a %s is seen, whoever makes it', async (entity, table, values, column) => {
    const start = await latestRevision();
    const [{ id } = { id: 0 }] = await query<{ id: number }>(`INSERT INTO ${table} ${values} RETURNING id`);
    await query(`UPDATE ${table} SET ${column} = 'changed' WHERE id = ${id}`);
    await query(`UPDATE ${table} SET ${column} = ${column} WHERE id = ${id}`);
    await query(`UPDATE ${table} SET id = 7777 WHERE id = ${id}`);
    await query(`DELETE FROM ${table} WHERE id = 7777`);
    await query(`TRUNCATE ${table}`);
    const seen = await changesAfter(start);
    expect(seen.map((change) => [change.entity, change.entity_id])).toEqual([id, id, 7777, id, 7777, null].map((changed) => [entity, changed]));
  });

  it('wakes listeners once for each transaction, and only when it commits', async () => {
    const listener = await connect(database.url);
    const writer = await connect(database.url);
    const heard: string[] = [];
    listener.on('notification', ({ channel }) => heard.push(channel));
    await listener.query('LISTEN hub_config_change');
    await writer.query('BEGIN');
    await writer.query(`INSERT INTO users (name) VALUES ('rolled back')`);
    await writer.query('ROLLBACK');
    const woken = once(listener, 'notification');
    await writer.query('BEGIN');
    await writer.query(`INSERT INTO users (name) VALUES ('one'), ('two')`);
    await writer.query(`INSERT INTO sensitive_words (word) VALUES ('three')`);
    await writer.query('COMMIT');
    await woken;
    await listener.query('SELECT 1');
    expect(heard).toEqual(['hub_config_change']);
    await Promise.all([listener.end(), writer.end()]);
  });

  it('is seen of a role that may write nothing but the table', async () => {
    const start = await latestRevision();
    await query('CREATE ROLE clerk; GRANT INSERT, SELECT ON sensitive_words TO clerk; GRANT USAGE ON SEQUENCE sensitive_words_id_seq TO clerk');
    const clerk = await connect(database.url);
    await clerk.query(`SET ROLE clerk; SET search_path = ''; INSERT INTO public.sensitive_words (word) VALUES ('w')`);
    await clerk.end();
    expect((await changesAfter(start)).map(({ entity }) => entity)).toEqual(['sensitive_word']);
  });

  it('never commits with a lower revision than one that was already visible', async () => {
    const writers = await Promise.all([1, 2, 3, 4].map(() => connect(database.url)));
    const reader = await connect(database.url);
    const start = await latestRevision();
    const perWriter = 25;
    let last = start;
    let seen = 0;
    const writing = Promise.all(
      writers.map(async (writer, index) => {
        for (let round = 0; round < perWriter; round++) {
          await writer.query('BEGIN');
          const [table, values] = index % 2 === 0 ? ['users', `(name) VALUES ('w')`] : ['sensitive_words', `(word) VALUES ('w')`];
          await writer.query(`INSERT INTO ${table} ${values}`);
          await writer.query(`INSERT INTO users (name) VALUES ('same transaction')`);
          await writer.query('COMMIT');
        }
      }),
    );
    // A reader that only ever asks for what is newer than what it has must get everything.
    const total = writers.length * perWriter * 2;
    const finished = writing.then(() => true);
    for (let done = false; !done; ) {
      done = await Promise.race([finished, Promise.resolve(false)]);
      const { rows } = await reader.query<Change>('SELECT revision FROM hub_config_change WHERE revision > $1 ORDER BY revision', [last]);
      seen += rows.length;
      last = rows.at(-1)?.revision ?? last;
    }
    expect(seen).toBe(total);
    await Promise.all([...writers, reader].map((connected) => connected.end()));
  });
});

it('finds a key by its hash once among the living', async () => {
  const insert = `INSERT INTO keys (user_id, key, key_hash, name, deleted_at) VALUES (1, 'sk', $1, 'n', $2)`;
  const hash = Buffer.alloc(32, 1);
  await query(insert, [hash, null]);
  await query(insert, [hash, new Date(0)]);
  await query(insert, [null, null]);
  await query(insert, [null, null]);
  await expect(query(insert, [hash, null])).rejects.toMatchObject({ code: '23505', constraint: 'idx_keys_key_hash' });
});

it('has one installation', async () => {
  await expect(query('INSERT INTO hub_meta DEFAULT VALUES')).rejects.toMatchObject({ code: '23505' });
  await expect(query('INSERT INTO hub_meta (only_row) VALUES (false)')).rejects.toMatchObject({ code: '23514' });
});
