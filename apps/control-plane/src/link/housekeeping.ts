import type { Logger } from '@hub/service';
import type { Pool } from 'pg';

export interface Housekeeping {
  close(): Promise<void>;
}

const everyMs = 60 * 60 * 1000;

/** One control plane at a time; any constant that nobody else uses. */
const lock = 6_845_795;

/**
 * Keeps the link's tables small, at start and every hour: the change log keeps seven days and in any case its last 10,000
 * entries, the list of data planes those of the last seven days.
 */
export function startHousekeeping(pool: Pool, log: Logger): Housekeeping {
  let running = Promise.resolve();
  const run = (): void => {
    running = running
      .then(() => trim(pool))
      .then((trimmed) => {
        if (trimmed > 0) log.info({ rows: trimmed }, 'change log trimmed');
      })
      .catch((error: unknown) => log.warn({ err: error }, 'could not trim the change log; it is tried again in an hour'));
  };
  const timer = setInterval(run, everyMs);
  timer.unref();
  run();
  return {
    async close() {
      clearInterval(timer);
      await running;
    },
  };
}

/** @returns entries of the change log that went */
export async function trim(pool: Pool): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS mine', [lock]);
    let trimmed = 0;
    if (rows[0]?.mine === true) {
      const changes = await client.query(
        `DELETE FROM hub_config_change
         WHERE at < now() - interval '7 days' AND revision < (SELECT revision FROM hub_config_change ORDER BY revision DESC OFFSET 9999 LIMIT 1)`,
      );
      await client.query(`DELETE FROM hub_node WHERE last_seen < now() - interval '7 days'`);
      trimmed = changes.rowCount ?? 0;
    }
    await client.query('COMMIT');
    client.release();
    return trimmed;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
