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

/** $4: what the key column of the key's rows may hold. */
function oldRows(kind: Subject['kind']): string {
  return kind === 'key' ? 'key_id IS NULL AND key = ANY($4::text[])' : `${column[kind]} = $1`;
}

export function createSpending(pool: Pool, vault: Vault): Spending {
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
  };
}
