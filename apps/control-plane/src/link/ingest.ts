import type { UsageRecord } from '@hub/contract';
import type { Logger } from '@hub/service';
import type { Pool } from 'pg';
import type { KeyColumns } from './key-columns.ts';
import type { LinkMetrics } from './metrics.ts';
import { type UsageColumn, usageColumns, type UsageRow, usageRow } from './usage-row.ts';

export interface Refused {
  readonly id: string;
  readonly reason: string;
}

export interface IngestOptions {
  readonly pool: Pool;
  readonly keyColumns: KeyColumns;
  readonly metrics: LinkMetrics;
  readonly log: Logger;
}

/**
 * Stores usage records with their rollups. Everything that can be stored is committed when it returns; a record that is
 * already there changes nothing.
 * @returns the records that can never be stored
 * @throws Error if the database could not take them now; the same records may simply be given again
 */
export type Ingest = (records: readonly UsageRecord[]) => Promise<readonly Refused[]>;

const columnNames = Object.keys(usageColumns) as UsageColumn[];

const sums = ['cost', 'input_tokens', 'output_tokens', 'cache_creation_input_tokens', 'cache_creation_5m_input_tokens', 'cache_creation_1h_input_tokens', 'cache_read_input_tokens'] as const;
const counters = ['requests', 'errors', 'success', ...sums, 'duration_ms_sum', 'duration_count'];

/**
 * One statement, so one round trip and one transaction. Rows are inserted in the order of record ids and rollups in the order of
 * their keys, after all rows: two control planes that store the same records at once wait for each other, never in a circle.
 * Only what was really inserted reaches the rollups, and warm-ups never do.
 */
const storeRows = `
  WITH inserted AS (
    INSERT INTO message_request (${columnNames.join(', ')})
    SELECT * FROM unnest(${columnNames.map((name, index) => `$${index + 1}::${usageColumns[name]}[]`).join(', ')})
    ON CONFLICT (record_id) DO NOTHING
    RETURNING *, cost_usd AS cost
  ), rolled AS (
    INSERT INTO hub_usage_rollup AS rollup (bucket, user_id, key_id, provider_id, model, original_model, ${counters.join(', ')})
    SELECT to_timestamp(floor(extract(epoch FROM created_at) / 900) * 900), user_id, key_id, provider_id, coalesce(model, ''), coalesce(original_model, ''),
      count(*), count(*) FILTER (WHERE status_code >= 400 OR status_code IS NULL), count(*) FILTER (WHERE error_message IS NULL),
      ${sums.map((name) => `coalesce(sum(${name}), 0)`).join(', ')},
      coalesce(sum(duration_ms), 0), count(duration_ms)
    FROM inserted
    WHERE blocked_by IS DISTINCT FROM 'warmup'
    GROUP BY 1, 2, 3, 4, 5, 6
    ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (bucket, user_id, key_id, provider_id, model, original_model)
    DO UPDATE SET ${counters.map((name) => `${name} = rollup.${name} + excluded.${name}`).join(', ')}
  )
  SELECT count(*)::int AS stored FROM inserted`;

export function createIngest({ pool, keyColumns, metrics, log }: IngestOptions): Ingest {
  const store = async (rows: readonly UsageRow[]): Promise<number> => {
    const parameters = columnNames.map((name) => rows.map((row) => row[name]));
    const result = await retryConflicts(() => pool.query<{ stored: number }>(storeRows, parameters));
    return result.rows[0]?.stored ?? 0;
  };

  /** A row that the database refuses for its content is found by halving, so that it does not hold up the others. */
  const storeAll = async (rows: readonly UsageRow[], refused: Refused[]): Promise<number> => {
    try {
      return await store(rows);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only] = rows;
      if (rows.length === 1 && only !== undefined) {
        refused.push({ id: String(only.record_id), reason: error.message });
        return 0;
      }
      const middle = Math.ceil(rows.length / 2);
      return (await storeAll(rows.slice(0, middle), refused)) + (await storeAll(rows.slice(middle), refused));
    }
  };

  return async (records) => {
    if (records.length === 0) return [];
    const stopTimer = metrics.batchSeconds.startTimer();
    const columns = await keyColumns.of(records.map((record) => record.keyId));
    const refused: Refused[] = [];
    const rows: UsageRow[] = [];
    for (const record of records) {
      const row = usageRow(record, columns.get(record.keyId) ?? '');
      if (typeof row === 'string') refused.push({ id: record.id, reason: row });
      else rows.push(row);
    }
    rows.sort(byRecordId);
    const stored = rows.length === 0 ? 0 : await storeAll(rows, refused);
    stopTimer();
    metrics.records.inc({ result: 'stored' }, stored);
    metrics.records.inc({ result: 'duplicate' }, records.length - refused.length - stored);
    metrics.records.inc({ result: 'refused' }, refused.length);
    for (const { id, reason } of refused) log.error({ record: id.slice(0, 100), reason }, 'a usage record cannot be stored');
    return refused;
  };
}

function byRecordId(left: UsageRow, right: UsageRow): number {
  const a = String(left.record_id).toLowerCase();
  const b = String(right.record_id).toLowerCase();
  return a < b ? -1 : a > b ? 1 : 0;
}

interface SqlError extends Error {
  /** SQLSTATE. */
  readonly code: string;
}

function isSqlError(error: unknown): error is SqlError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code);
}

/**
 * The content of the rows is at fault: data exceptions (class 22), missing values (23502), limits of one value (class 54). A
 * sequence at its end (2200H) is not, nor is a duplicate primary key, which a sequence behind its table causes: refusing
 * records for those would lose them all.
 */
function isDataError(error: unknown): error is SqlError {
  if (!isSqlError(error) || error.code === '2200H') return false;
  return error.code.startsWith('22') || error.code === '23502' || error.code.startsWith('54');
}

/** Deadlocks and serialization failures, which PostgreSQL asks to try again. */
async function retryConflicts<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt >= 5 || !isSqlError(error) || (error.code !== '40P01' && error.code !== '40001')) throw error;
    }
  }
}
