import { once } from 'node:events';
import { Socket, connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PGlite } from '@electric-sql/pglite';
import { type PgliteServer, servePglite } from '../src/pglite-server.ts';
import { connect, recordingLog, temporaryFolder } from './server.ts';

const folder = temporaryFolder();
const path = join(folder.path, '.s.PGSQL.5432');
const url = `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(folder.path)}`;
let database: PGlite;
let server: PgliteServer;

beforeAll(async () => {
  database = await PGlite.create();
  server = await servePglite(database, { path }, recordingLog());
});

afterAll(async () => {
  await server.close();
  await database.close();
  folder.remove();
});

/** Runs a body with connections that are ended whatever happens. */
async function withConnections<T>(count: number, body: (clients: Client[]) => Promise<T>): Promise<T> {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(url)));
  try {
    return await body(clients);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

const firstOf = (clients: Client[]): [Client, Client] => {
  const [first, second] = clients;
  if (first === undefined || second === undefined) throw new Error('two clients are needed');
  return [first, second];
};

describe('connections of one PGlite', () => {
  it('get their own answers, also when they all ask at once and some ask nonsense', async () => {
    await withConnections(8, async (clients) => {
      await Promise.all(
        clients.map(async (client, index) => {
          for (let round = 0; round < 20; round++) {
            if (round % 5 === index % 5) await expect(client.query('SELECT 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' });
            const { rows } = await client.query(`SELECT $1::int AS value, $2::text AS name_${index}`, [index * round, `client ${index}`]);
            expect(rows).toEqual([{ value: index * round, [`name_${index}`]: `client ${index}` }]);
          }
        }),
      );
    });
  });

  it('do not see into each other’s transactions', async () => {
    await withConnections(2, async (clients) => {
      const [first, second] = firstOf(clients);
      await first.query('CREATE TABLE accounts (owner text, balance int)');
      await first.query('BEGIN');
      await first.query(`INSERT INTO accounts VALUES ('first', 1)`);
      // Has to wait for the end of the transaction, and must not become part of it.
      const waiting = second.query(`INSERT INTO accounts VALUES ('second', 2)`);
      await first.query(`UPDATE accounts SET balance = balance + 10`);
      await first.query('ROLLBACK');
      await waiting;
      expect((await first.query('SELECT * FROM accounts')).rows).toEqual([{ owner: 'second', balance: 2 }]);
    });
  });

  it('go on when one of them is gone in the middle of a transaction', async () => {
    await withConnections(2, async (clients) => {
      const [first, second] = firstOf(clients);
      await first.query('CREATE TABLE half_done (value int)');
      const dying = new Socket();
      const raw = new Client({ connectionString: url, stream: () => dying });
      raw.on('error', () => undefined);
      await raw.connect();
      await raw.query('BEGIN');
      await raw.query('INSERT INTO half_done VALUES (1)');
      const waiting = second.query('SELECT count(*)::int AS count FROM half_done');
      dying.destroy();
      expect((await waiting).rows).toEqual([{ count: 0 }]);
    });
  });

  it('hear notifications that another one sends', async () => {
    await withConnections(2, async (clients) => {
      const [first, second] = firstOf(clients);
      await first.query('LISTEN news');
      const heard = once(first, 'notification');
      await second.query(`SELECT pg_notify('news', 'hello')`);
      expect(await heard).toMatchObject([{ channel: 'news', payload: 'hello' }]);
    });
  });

  it('can be given large answers and questions', async () => {
    await withConnections(1, async ([client]) => {
      const text = 'x'.repeat(3_000_000);
      const { rows } = (await client?.query('SELECT $1::text || $2 AS text, generate_series(1, 3) AS n', [text, 'y'])) ?? { rows: [] };
      expect(rows.map((row: { text: string; n: number }) => [row.n, row.text.length])).toEqual([1, 2, 3].map((n) => [n, 3_000_001]));
    });
  });

  it('are refused one by one when they talk nonsense', async () => {
    await withConnections(1, async ([client]) => {
      const nonsense = connectSocket(path);
      nonsense.write('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n');
      const negative = connectSocket(path);
      negative.write(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]));
      await Promise.all([once(nonsense.resume(), 'close'), once(negative.resume(), 'close')]);
      expect((await client?.query('SELECT 1 AS one'))?.rows).toEqual([{ one: 1 }]);
    });
  });
});

it('asks for the password over TCP', async () => {
  const overTcp = await servePglite(database, { port: 0, password: 'right' }, recordingLog());
  const options = { host: '127.0.0.1', port: overTcp.port ?? 0, user: 'postgres', database: 'postgres' };
  const wrong = new Client({ ...options, password: 'wrong' });
  await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' });
  const right = new Client({ ...options, password: 'right' });
  await right.connect();
  expect((await right.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await right.end();
  await overTcp.close();
});
