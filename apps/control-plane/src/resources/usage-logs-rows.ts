import { hashKey } from '@hub/service';
import { z } from 'zod';
import type { CallContext } from '../context.ts';
import { instantText } from '../fields.ts';
import { logConditions, type LogFilter, type WhoseRows } from './usage-logs-filter.ts';
import { sqlValues } from './statistics-source.ts';

/** Rows of the log, newest first. */

const numberOrNull = z.number().nullable();
const textOrNull = z.string().nullable();

export const logRow = z
  .object({
    id: z.number(),
    createdAt: instantText.nullable(),
    sessionId: textOrNull,
    requestSequence: numberOrNull,
    userName: z.string(),
    keyName: z.string(),
    providerName: textOrNull,
    model: textOrNull.meta({ description: 'after redirection' }),
    originalModel: textOrNull,
    endpoint: textOrNull,
    statusCode: numberOrNull,
    inputTokens: numberOrNull,
    outputTokens: numberOrNull,
    cacheCreationInputTokens: numberOrNull,
    cacheReadInputTokens: numberOrNull,
    cacheCreation5mInputTokens: numberOrNull,
    cacheCreation1hInputTokens: numberOrNull,
    cacheTtlApplied: textOrNull,
    costUsd: textOrNull.meta({ description: '15 decimals' }),
    costMultiplier: textOrNull,
    durationMs: numberOrNull,
    ttfbMs: numberOrNull.meta({ description: 'until the first byte; ms' }),
    errorMessage: textOrNull,
    providerChain: z.unknown().meta({ description: 'the attempts, an array; null if there were none' }),
    blockedBy: textOrNull,
    blockedReason: textOrNull,
    userAgent: textOrNull,
    messagesCount: numberOrNull,
    context1mApplied: z.boolean().nullable(),
    specialSettings: z.unknown(),
    totalTokens: z.number(),
  })
  .meta({ id: 'UsageLog' });
export type LogRow = z.output<typeof logRow>;

interface StoredRow {
  readonly id: number;
  readonly created_at: Date | null;
  /** To the microsecond, as a cursor needs it. */
  readonly moment: string;
  readonly key: string;
  readonly user_name: string | null;
  /** Null where v0.3.42 wrote the row, which then knows its key by its text only. */
  readonly key_name: string | null;
  readonly provider_name: string | null;
  readonly session_id: string | null;
  readonly request_sequence: number | null;
  readonly model: string | null;
  readonly original_model: string | null;
  readonly endpoint: string | null;
  readonly status_code: number | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cache_creation_input_tokens: number | null;
  readonly cache_read_input_tokens: number | null;
  readonly cache_creation_5m_input_tokens: number | null;
  readonly cache_creation_1h_input_tokens: number | null;
  readonly cache_ttl_applied: string | null;
  readonly cost_usd: string | null;
  readonly cost_multiplier: string | null;
  readonly duration_ms: number | null;
  readonly ttfb_ms: number | null;
  readonly error_message: string | null;
  readonly provider_chain: unknown;
  readonly blocked_by: string | null;
  readonly blocked_reason: string | null;
  readonly user_agent: string | null;
  readonly messages_count: number | null;
  readonly context_1m_applied: boolean | null;
  readonly special_settings: unknown;
}

/** Where a page ended: rows older than this one come next. */
export const cursorShape = z.object({
  createdAt: z.string().meta({ description: 'UTC to the microsecond, as it was given out' }),
  id: z.number().int(),
});
export type Cursor = z.output<typeof cursorShape>;

export interface PageQuery {
  readonly whose: WhoseRows;
  readonly filter: LogFilter;
  readonly limit: number;
  /** Rows to skip; a cursor does better. */
  readonly offset?: number;
  readonly after?: Cursor | undefined;
}

export interface Page {
  readonly rows: readonly LogRow[];
  /** Of the last row; undefined if there is none. */
  readonly last: Cursor | undefined;
}

/** Names are joined to the page only, so that what is skipped costs an index entry each. */
export async function pageOfLogs(context: CallContext, { whose, filter, limit, offset = 0, after }: PageQuery): Promise<Page> {
  const sql = sqlValues();
  const conditions = logConditions(sql, whose, filter);
  if (after !== undefined) conditions.push(`(created_at, id) < (${sql.add(after.createdAt)}::timestamptz, ${sql.add(after.id)}::int)`);
  const { rows } = await context.database.pool.query<StoredRow>(
    `SELECT page.*, to_char(page.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS moment,
       owner.name AS user_name, used.name AS key_name, provider.name AS provider_name
     FROM (
       SELECT * FROM message_request WHERE ${conditions.join(' AND ')}
       ORDER BY created_at DESC, id DESC LIMIT ${sql.add(limit)} OFFSET ${sql.add(offset)}
     ) AS page
     LEFT JOIN users owner ON owner.id = page.user_id
     LEFT JOIN keys used ON used.id = page.key_id
     LEFT JOIN providers provider ON provider.id = page.provider_id
     ORDER BY page.created_at DESC, page.id DESC`,
    sql.values,
  );
  const names = await namesOfKeys(context, rows.flatMap((row) => (row.key_name === null ? [row.key] : [])));
  const last = rows.at(-1);
  return {
    rows: rows.map((row) => showRow(row, row.key_name ?? names.get(row.key) ?? '')),
    last: last === undefined ? undefined : { createdAt: last.moment, id: last.id },
  };
}

const mark = /^sha256:([0-9a-f]{64})$/;

/** Names of the keys that rows know by their texts; of those with the same text, which v0.3.42 allowed, the one in use. */
async function namesOfKeys({ database }: CallContext, texts: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const wanted = [...new Set(texts)].map((text) => ({ text, hash: hashOf(text) }));
  if (wanted.length === 0) return new Map();
  const { rows } = await database.pool.query<{ key: string; key_hash: Buffer | null; name: string }>(
    'SELECT key, key_hash, name FROM keys WHERE key = ANY($1) OR key_hash = ANY($2) ORDER BY deleted_at IS NULL, id',
    [wanted.map(({ text }) => text), wanted.map(({ hash }) => hash)],
  );
  const byHash = new Map(rows.map(({ key, key_hash: hash, name }) => [(hash ?? hashKey(key)).toString('hex'), name]));
  return new Map(wanted.flatMap(({ text, hash }) => {
    const name = byHash.get(hash.toString('hex'));
    return name === undefined ? [] : [[text, name] as const];
  }));
}

function hashOf(text: string): Buffer {
  const hash = mark.exec(text)?.[1];
  return hash === undefined ? hashKey(text) : Buffer.from(hash, 'hex');
}

function showRow(row: StoredRow, keyName: string): LogRow {
  return {
    id: row.id,
    createdAt: row.created_at?.toISOString() ?? null,
    sessionId: row.session_id,
    requestSequence: row.request_sequence,
    userName: row.user_name ?? '',
    keyName,
    providerName: row.provider_name,
    model: row.model,
    originalModel: row.original_model,
    endpoint: row.endpoint,
    statusCode: row.status_code,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cacheCreationInputTokens: row.cache_creation_input_tokens,
    cacheReadInputTokens: row.cache_read_input_tokens,
    cacheCreation5mInputTokens: row.cache_creation_5m_input_tokens,
    cacheCreation1hInputTokens: row.cache_creation_1h_input_tokens,
    cacheTtlApplied: row.cache_ttl_applied,
    costUsd: row.cost_usd,
    costMultiplier: row.cost_multiplier,
    durationMs: row.duration_ms,
    ttfbMs: row.ttfb_ms,
    errorMessage: row.error_message,
    providerChain: row.provider_chain,
    blockedBy: row.blocked_by,
    blockedReason: row.blocked_reason,
    userAgent: row.user_agent,
    messagesCount: row.messages_count,
    context1mApplied: row.context_1m_applied,
    specialSettings: row.special_settings,
    totalTokens: (row.input_tokens ?? 0) + (row.output_tokens ?? 0) + (row.cache_creation_input_tokens ?? 0) + (row.cache_read_input_tokens ?? 0),
  };
}
