import type { Pool } from 'pg';

const intervalMs = 5000;

export interface DatabaseWatch {
  /** Empty while the database answers. */
  problems(): readonly string[];
  close(): void;
}

/** Asks the database now and then whether it is there, so that readiness can be told at once. */
export function watchDatabase(pool: Pool): DatabaseWatch {
  let problem: string | undefined;
  let asking = false;
  const ask = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    try {
      await pool.query('SELECT 1');
      problem = undefined;
    } catch (error) {
      problem = `database: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void ask(), intervalMs);
  timer.unref();
  return { problems: () => (problem === undefined ? [] : [problem]), close: () => clearInterval(timer) };
}
