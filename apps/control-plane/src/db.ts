import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from 'pg';
import type { Logger } from '@hub/service';
import { PrismaClient } from './generated/prisma/client.ts';

export interface DatabaseOptions {
  /** `postgresql://…`; a Unix socket's folder is given as `?host=`. */
  url: string;
  /** Connections at most, shared by Prisma and plain SQL. */
  poolMax: number;
  /** After how many ms the server ends a statement; unset is 30 s. PGlite does not keep to it. */
  statementTimeoutMs?: number;
  log: Pick<Logger, 'warn'>;
}

/** Both ways to the database, over one pool. */
export interface Database {
  prisma: PrismaClient;
  /** For what Prisma has no words for: LISTEN, COPY, statements over arrays of rows. */
  pool: Pool;
  /** Waits for what is running, then ends all connections. */
  close(): Promise<void>;
}

/** As in v0.3.42: how long to wait for a connection, and how long one may idle; ms. */
const connectTimeoutMs = 10_000;
const idleTimeoutMs = 20_000;

/** A transaction that does nothing for this long was forgotten by its process, and would keep its locks; ms. */
const idleInTransactionTimeoutMs = 60_000;

/** Connects on first use: a database that is down makes queries fail, not this. */
export function createDatabase({ url, poolMax, statementTimeoutMs = 30_000, log }: DatabaseOptions): Database {
  const pool = new Pool({
    connectionString: url,
    application_name: 'claude-code-hub',
    max: poolMax,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: idleTimeoutMs,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
  });
  // An idle connection that breaks is replaced at the next query; without a listener it would end the process.
  pool.on('error', (error) => log.warn({ reason: error.message }, 'lost an idle database connection'));
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  let closing: Promise<void> | null = null;
  async function close(): Promise<void> {
    await prisma.$disconnect();
    await pool.end();
  }
  return { prisma, pool, close: () => (closing ??= close()) };
}
