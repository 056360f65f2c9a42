import { afterEach, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../src/index.ts';

const opened: TestDatabase[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.drop()));
});

async function open(): Promise<TestDatabase> {
  const database = await testDatabase();
  opened.push(database);
  return database;
}

it('gives each caller a migrated database of its own', async () => {
  const [one, other] = await Promise.all([open(), open()]);
  await one.query(`INSERT INTO users (name) VALUES ($1)`, ['only here']);
  expect(await one.query('SELECT count(*) AS users FROM users')).toEqual([{ users: 1 }]);
  expect(await other.query('SELECT count(*) AS users FROM users')).toEqual([{ users: 0 }]);
});

it('drops a database that somebody is still connected to', async () => {
  const [leaving, staying] = await Promise.all([testDatabase(), open()]);
  const name = new URL(leaving.url).pathname.slice(1);
  await leaving.query('SELECT 1');
  await leaving.drop();
  expect(await staying.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).toEqual([]);
});
