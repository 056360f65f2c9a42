import type { Span } from '@hub/limits';
import type { Vault } from '../vault.ts';
import { counted } from '../spending.ts';

/** Collects the values of one statement; `add` answers with the placeholder of the value. */
export interface SqlValues {
  readonly values: unknown[];
  add(value: unknown): string;
}

export function sqlValues(): SqlValues {
  const values: unknown[] = [];
  return { values, add: (value) => `$${values.push(value)}` };
}

/** Length of a rollup's bucket; ms. */
const rollupMs = 15 * 60 * 1000;

/** Tokens that the log counts, by column. */
const tokenColumns = [
  'input_tokens',
  'output_tokens',
  'cache_creation_input_tokens',
  'cache_creation_5m_input_tokens',
  'cache_creation_1h_input_tokens',
  'cache_read_input_tokens',
] as const;

/** All tokens of a row of the log or of `usageIn`; cache writes are counted once, by their total. */
export const allTokens = 'coalesce(input_tokens, 0)::bigint + coalesce(output_tokens, 0) + coalesce(cache_creation_input_tokens, 0) + coalesce(cache_read_input_tokens, 0)';

/**
 * A relation of everything that counts and began within a span, to be put behind FROM: requests of ours from rollups as far as
 * whole buckets reach and from the log at both ends, requests that v0.3.42 logged always from the log. Sums over it are those
 * of a plain sum over the log. Only while the log still holds the rows, that is: rollups outlive its clean-up.
 *
 * Columns: at (the moment, or the bucket that it lies in), user_id, key_id, key (only where v0.3.42 wrote the row, and then
 * key_id is null), provider_id, model, original_model, requests, errors (status 400 and above, and rows of ours that ended
 * without a status), success (no error text), cost (USD), the token columns, duration_ms_sum, duration_count.
 *
 * A row that is marked as deleted is still in its rollup and is taken off again. Conditions around the relation reach the
 * indexes below.
 *
 * @param span epoch ms, without its end
 */
export function usageIn(span: Span, sql: SqlValues): string {
  const from = sql.add(new Date(span.start));
  const to = sql.add(new Date(span.end));
  const firstWhole = Math.ceil(span.start / rollupMs) * rollupMs;
  const lastWhole = Math.floor(span.end / rollupMs) * rollupMs;
  if (firstWhole >= lastWhole) return `(${ownRows(`created_at >= ${from} AND created_at < ${to}`)} UNION ALL ${oldRows(from, to)})`;
  const wholeFrom = sql.add(new Date(firstWhole));
  const wholeTo = sql.add(new Date(lastWhole));
  const parts = [rollups(wholeFrom, wholeTo), deletedRows(wholeFrom, wholeTo), oldRows(from, to)];
  if (firstWhole > span.start) parts.push(ownRows(`created_at >= ${from} AND created_at < ${wholeFrom}`));
  if (lastWhole < span.end) parts.push(ownRows(`created_at >= ${wholeTo} AND created_at < ${to}`));
  return `(${parts.join(' UNION ALL ')})`;
}

function rollups(from: string, to: string): string {
  return `
    SELECT bucket AS at, user_id, key_id, NULL::varchar AS key, provider_id, nullif(model, '') AS model, nullif(original_model, '') AS original_model,
      requests::bigint, errors::bigint, success::bigint, cost, ${tokenColumns.join(', ')}, duration_ms_sum, duration_count::bigint
    FROM hub_usage_rollup WHERE bucket >= ${from} AND bucket < ${to}`;
}

function logRows(key: string, sign: '' | '-', where: string): string {
  const own = key === 'NULL::varchar';
  const failed = own ? '(status_code >= 400 OR status_code IS NULL)' : 'coalesce(status_code >= 400, false)';
  return `
    SELECT created_at AS at, user_id, key_id, ${key} AS key, provider_id, model, original_model,
      ${sign}1::bigint AS requests, ${sign}${failed}::int::bigint AS errors, ${sign}(error_message IS NULL)::int::bigint AS success, ${sign}coalesce(cost_usd, 0) AS cost,
      ${tokenColumns.map((name) => `${sign}coalesce(${name}, 0)::bigint AS ${name}`).join(', ')},
      ${sign}coalesce(duration_ms, 0)::bigint AS duration_ms_sum, ${sign}(duration_ms IS NOT NULL)::int::bigint AS duration_count
    FROM message_request WHERE ${where}`;
}

function ownRows(when: string): string {
  return logRows('NULL::varchar', '', `${when} AND record_id IS NOT NULL AND ${counted}`);
}

/** The unique index on record_id tells whether there are any at all; a hub that never was v0.3.42 reads nothing here. */
function oldRows(from: string, to: string): string {
  const any = '(SELECT EXISTS (SELECT 1 FROM message_request WHERE record_id IS NULL))';
  return logRows('key', '', `${any} AND created_at >= ${from} AND created_at < ${to} AND record_id IS NULL AND ${counted}`);
}

function deletedRows(from: string, to: string): string {
  return logRows(
    'NULL::varchar',
    '-',
    `deleted_at IS NOT NULL AND record_id IS NOT NULL AND created_at >= ${from} AND created_at < ${to} AND blocked_by IS DISTINCT FROM 'warmup'`,
  );
}

/** What message_request.key may hold for a key in rows of v0.3.42: the key itself, or the mark that stands for it. */
export function keyTexts(vault: Vault, row: { readonly key: string; readonly keyHash: Uint8Array | null }): string[] {
  return [...new Set([vault.reveal(row.key, 'hub-key'), vault.keyColumn(row)])];
}

/** Condition for the rows of one key, of the log or of `usageIn`. */
export function ofKey(sql: SqlValues, keyId: number, texts: readonly string[]): string {
  return `(key_id = ${sql.add(keyId)} OR (key_id IS NULL AND key = ANY(${sql.add(texts)}::text[])))`;
}
