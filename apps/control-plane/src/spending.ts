import type { Pool } from 'pg';
import type { Window } from './windows.ts';

/**
 * Whose spending. Rows that v0.3.42 wrote know a key only by its text; ours know its id.
 */
export type Subject =
  | { readonly kind: 'user'; readonly id: number }
  | { readonly kind: 'provider'; readonly id: number }
  | { readonly kind: 'key'; readonly id: number; readonly key: string };

/** Rows that count towards spending and statistics: warm-up requests that the hub answered itself do not. */
export const counted = `deleted_at IS NULL AND blocked_by IS DISTINCT FROM 'warmup'`;

const totalLookBackMs = 365 * 24 * 3_600_000;

/** Since when a total counts: v0.3.42 looks back 365 days. */
export function totalWindow(now: number): Window {
  return { start: now - totalLookBackMs, resetAt: undefined };
}

/** USD spent by the subject within each of the windows, in their order. One statement, exact decimals, rounded once. */
export async function spentIn(pool: Pool, subject: Subject, windows: readonly Window[]): Promise<number[]> {
  const starts = windows.map((window) => new Date(window.start));
  const sums = starts.map((_, at) => `coalesce(sum(cost_usd) FILTER (WHERE created_at >= $${at + 1}), 0)::float8 AS w${at}`);
  const earliest = new Date(Math.min(...windows.map((window) => window.start)));
  const values: unknown[] = [...starts, earliest, subject.id];
  const since = `$${starts.length + 1}`;
  const id = `$${starts.length + 2}`;
  let rows: string;
  if (subject.kind === 'key') {
    values.push(subject.key);
    rows = `(SELECT cost_usd, created_at FROM message_request WHERE key_id = ${id} AND created_at >= ${since} AND ${counted}
      UNION ALL
      SELECT cost_usd, created_at FROM message_request
      WHERE key_id IS NULL AND key = $${starts.length + 3} AND created_at >= ${since} AND ${counted}) AS spent`;
  } else {
    rows = `message_request WHERE ${subject.kind}_id = ${id} AND created_at >= ${since} AND ${counted}`;
  }
  const result = await pool.query<Record<string, number>>(`SELECT ${sums.join(', ')} FROM ${rows}`, values);
  return windows.map((_, at) => result.rows[0]?.[`w${at}`] ?? 0);
}
