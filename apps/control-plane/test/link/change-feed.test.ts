import { silentLogger } from '@hub/service';
import { type Deferred, deferred, eventually, type TestDatabase, testDatabase } from '@hub/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ChangeFeed, startChangeFeed } from '../../src/link/change-feed.ts';

let database: TestDatabase;
let feed: ChangeFeed | undefined;

beforeAll(async () => {
  database = await testDatabase();
});

afterAll(async () => {
  await feed?.close();
  await database.drop();
});

const listening = () =>
  eventually(
    () => 'a connection that listens',
    async () => (await database.query(`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'`))[0],
  );

it('hears of a change without the poll, again after its connection was killed, and of what happened between', async () => {
  let heard: Deferred<void> = deferred();
  feed = startChangeFeed({ databaseUrl: database.url, log: silentLogger, pollMs: 3_600_000, onChange: () => heard.resolve() });
  // Whoever starts to listen looks once.
  await heard.promise;
  await listening();
  heard = deferred();
  await database.query(`INSERT INTO sensitive_words (word) VALUES ('a')`);
  await heard.promise;

  heard = deferred();
  const killed = await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hub change feed'`);
  expect(killed).toHaveLength(1);
  await database.query(`INSERT INTO sensitive_words (word) VALUES ('b')`);
  await heard.promise;
  await listening();
  heard = deferred();
  await database.query(`INSERT INTO sensitive_words (word) VALUES ('c')`);
  await heard.promise;
});

it('polls while it cannot listen', async () => {
  const heard = deferred();
  const deaf = startChangeFeed({ databaseUrl: 'postgresql://nobody@127.0.0.1:1/none', log: silentLogger, pollMs: 20, onChange: () => heard.resolve() });
  await heard.promise;
  await deaf.close();
});
