import { templateDatabase } from '@hub/postgres';
import { Pool, types } from 'pg';
import { leaseServer } from './postgres-lease.ts';

export interface TestDatabase {
  readonly url: string;
  /** Rows of one statement. bigint comes as a number (counts and ids are small in tests), numeric as text. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** Closes our connections and drops the database, whoever else is connected. */
  drop(): Promise<void>;
}

/** A fresh database with all migrations applied, in some 60 ms; one per test file is a good measure. */
export async function testDatabase(): Promise<TestDatabase> {
  const database = await templateDatabase(await leaseServer());
  const pool = new Pool({ connectionString: database.url, max: 4, allowExitOnIdle: true, types: { getTypeParser } });
  // Connections are also lost on purpose (`drop`, a server that is restarted): the next query says so.
  pool.on('error', () => {});
  return {
    url: database.url,
    async query(sql, values = []) {
      const result = await pool.query<Record<string, unknown>>(sql, [...values]);
      return result.rows;
    },
    async drop() {
      await pool.end();
      await database.drop();
    },
  };
}

const getTypeParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, format);
