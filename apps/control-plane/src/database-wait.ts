import type { Logger } from '@hub/service';
import { Client } from 'pg';

export interface WaitOptions {
  /** How long to go on trying; ms. 0 = one attempt. */
  readonly waitMs: number;
  /** Between attempts; ms. */
  readonly pauseMs?: number;
  readonly log: Pick<Logger, 'info'>;
}

/** Of sockets and name servers, and PostgreSQL's cannot_connect_now: it may be up in a moment. Others will not mend themselves. */
const passing = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'ENOENT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', '57P03']);

/**
 * In compositions of containers the database often comes up after us (v0.3.42 waited a minute as well).
 * @throws Error with one line if it does not come, or refuses us
 */
export async function waitForDatabase(attempt: () => Promise<void>, { waitMs, pauseMs = 1000, log }: WaitOptions): Promise<void> {
  const until = performance.now() + waitMs;
  for (let said = false; ; said = true) {
    try {
      return await attempt();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // A name with several addresses fails with one error for each and no message of its own.
      const reason = message === '' && code !== undefined ? code : message;
      if (code === undefined || !passing.has(code) || performance.now() >= until) {
        throw new Error(`PostgreSQL cannot be reached: ${reason} (DATABASE_URL)`, { cause: error });
      }
      if (!said) log.info({ reason }, 'waiting for the database');
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

/** One connection, opened and closed. */
export async function tryDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // What breaks after `end` concerns nobody.
  client.on('error', () => {});
  try {
    await client.connect();
  } finally {
    await client.end();
  }
}
