import { SubjectKind } from '@hub/contract';
import type { Pool } from 'pg';
import type { Vault } from '../vault.ts';

/** Whose spending. */
export interface Subject {
  readonly kind: 'user' | 'key' | 'provider';
  readonly id: number;
}

export interface SpentBucket {
  /** Epoch ms. */
  readonly startMs: number;
  readonly nanos: bigint;
}

/**
 * What a subject has spent, as the database knows it. Warm-ups never count. Rows of the old service have no key id and no
 * rollup; they count by the key string that they carry.
 */
export interface Spending {
  /** @param sinceMs epoch ms; 0 = ever */
  total(subject: Subject, sinceMs: number): Promise<bigint>;
  /** Sums per `bucketMs`, aligned to the epoch, of what was spent since a moment; buckets without spending are left out. */
  buckets(subject: Subject, sinceMs: number, bucketMs: number): Promise<readonly SpentBucket[]>;
  /** Every priced row that the database took in since a moment, whenever its request began. */
  recent(subject: Subject, sinceMs: number): Promise<readonly RecentRow[]>;
  /** Runs several questions on one state of the database. */
  consistently<T>(ask: (spending: Spending) => Promise<T>): Promise<T>;
}

export interface RecentRow {
  /** The gateway's record id; "row:<id>" for a row of the old service. */
  readonly recordId: string;
  readonly nanos: bigint;
  /** Epoch ms. */
  readonly startedMs: number;
}

export function subjectOf(kind: SubjectKind, id: number): Subject | undefined {
  switch (kind) {
    case SubjectKind.USER:
      return { kind: 'user', id };
    case SubjectKind.KEY:
      return { kind: 'key', id };
    case SubjectKind.PROVIDER:
      return { kind: 'provider', id };
    default:
      return undefined;
  }
}

/** Length of a rollup bucket; ms. */
const rollupMs = 15 * 60 * 1000;

const column = { user: 'user_id', key: 'key_id', provider: 'provider_id' } as const;

const counted = `deleted_at IS NULL AND blocked_by IS DISTINCT FROM 'warmup'`;
const moment = (parameter: string): string => `to_timestamp(${parameter}::float8 / 1000)`;

/**
 * Three disjoint parts: rollups from the first whole bucket on, our rows before it, and the old service's rows, for which the
 * table is only read if it holds any (the unique index on record_id answers that). Rollups outlive the clean-up of old rows,
 * so a budget does not fill up again when the log is trimmed.
 */
const totalQuery = (kind: Subject['kind']): string => `
  SELECT round((
    coalesce((SELECT sum(cost) FROM hub_usage_rollup WHERE ${column[kind]} = $1 AND bucket >= ${moment('$3')}), 0)
    + coalesce((SELECT sum(cost_usd) FROM message_request
        WHERE ${column[kind]} = $1 AND created_at >= ${moment('$2')} AND created_at < ${moment('$3')} AND record_id IS NOT NULL AND ${counted}), 0)
    + coalesce((SELECT sum(cost_usd) FROM message_request
        WHERE (SELECT EXISTS (SELECT 1 FROM message_request WHERE record_id IS NULL))
          AND ${oldRows(kind)} AND created_at >= ${moment('$2')} AND record_id IS NULL AND ${counted}), 0)
  ) * 1000000000)::text AS nanos`;

const bucketQuery = (kind: Subject['kind']): string => `
  SELECT (floor(extract(epoch FROM created_at) * 1000 / $3::float8) * $3::float8)::bigint::text AS start_ms, round(sum(cost_usd) * 1000000000)::text AS nanos
  FROM message_request
  WHERE (${column[kind]} = $1 ${kind === 'key' ? `OR (record_id IS NULL AND ${oldRows(kind)})` : ''}) AND created_at >= ${moment('$2')} AND ${counted}
  GROUP BY 1
  HAVING sum(cost_usd) > 0
  ORDER BY 1`;

/** A request that began longer ago than this before the list begins cannot have ended within it. Hours. */
const longestRequestHours = 24;

const recentQuery = (kind: Subject['kind']): string => `
  SELECT coalesce(record_id::text, 'row:' || id) AS record_id, round(cost_usd * 1000000000)::text AS nanos,
    floor(extract(epoch FROM created_at) * 1000)::bigint::text AS started_ms
  FROM message_request
  WHERE (${column[kind]} = $1 ${kind === 'key' ? `OR (record_id IS NULL AND key_id IS NULL AND key = ANY($3::text[]))` : ''})
    AND updated_at >= ${moment('$2')} AND created_at >= ${moment('$2')} - interval '${longestRequestHours} hours' AND cost_usd > 0 AND ${counted}`;

/** $4: what the key column of the key's rows may hold. */
function oldRows(kind: Subject['kind']): string {
  return kind === 'key' ? 'key_id IS NULL AND key = ANY($4::text[])' : `${column[kind]} = $1`;
}

export function createSpending(pool: Pool, vault: Vault): Spending {
  return spendingOn(pool, vault, (ask) => inOneState(pool, vault, ask));
}

async function inOneState<T>(pool: Pool, vault: Vault, ask: (spending: Spending) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const one: Spending = spendingOn(client, vault, (again) => again(one));
    const result = await ask(one);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    // A connection in an unknown state is not given back.
    client.release(true);
    throw error;
  }
}

function spendingOn(pool: Pick<Pool, 'query'>, vault: Vault, consistently: Spending['consistently']): Spending {
  /** Rows of the old service hold the key itself, or what it became when the database was sealed. */
  const keyStrings = async (id: number): Promise<string[]> => {
    const { rows } = await pool.query<{ key: string; key_hash: Buffer | null }>('SELECT key, key_hash FROM keys WHERE id = $1', [id]);
    const [row] = rows;
    if (row === undefined) return [];
    return [...new Set([row.key, vault.reveal(row.key, 'hub-key'), vault.keyColumn({ key: row.key, keyHash: row.key_hash })])];
  };
  const parameters = async (subject: Subject, ...numbers: number[]): Promise<unknown[]> =>
    subject.kind === 'key' ? [subject.id, ...numbers, await keyStrings(subject.id)] : [subject.id, ...numbers];

  return {
    async total(subject, sinceMs) {
      const firstWholeBucket = Math.ceil(sinceMs / rollupMs) * rollupMs;
      const { rows } = await pool.query<{ nanos: string }>(totalQuery(subject.kind), await parameters(subject, sinceMs, firstWholeBucket));
      return BigInt(rows[0]?.nanos ?? 0);
    },
    async buckets(subject, sinceMs, bucketMs) {
      const { rows } = await pool.query<{ start_ms: string; nanos: string }>(bucketQuery(subject.kind), await parameters(subject, sinceMs, bucketMs));
      return rows.map((row) => ({ startMs: Number(row.start_ms), nanos: BigInt(row.nanos) }));
    },
    async recent(subject, sinceMs) {
      const { rows } = await pool.query<{ record_id: string; nanos: string; started_ms: string }>(recentQuery(subject.kind), await parameters(subject, sinceMs));
      return rows.map((row) => ({ recordId: row.record_id, nanos: BigInt(row.nanos), startedMs: Number(row.started_ms) }));
    },
    consistently,
  };
}
