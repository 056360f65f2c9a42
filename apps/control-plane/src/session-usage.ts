import type { SessionRef } from '@hub/limits';
import type { Pool } from 'pg';

/** What the log knows of a session: its requests that have ended, but for warm-ups that the hub answered itself. */
export interface SessionUsage {
  readonly requestCount: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheCreationInputTokens: number;
  readonly cacheReadInputTokens: number;
  /** USD, 15 decimals. */
  readonly costUsd: string;
  readonly durationMs: number;
  /** Epoch ms of the first request; null if there is none. */
  readonly firstAt: number | null;
  /** In the order of their first use. */
  readonly providers: readonly { readonly id: number; readonly name: string }[];
  readonly models: readonly string[];
}

interface UsageRow {
  readonly position: number;
  readonly requests: number;
  readonly input: string;
  readonly output: string;
  readonly cache_creation: string;
  readonly cache_read: string;
  readonly cost: string;
  readonly duration: string;
  readonly first_at: Date | null;
  readonly providers: readonly { readonly id: number; readonly name: string }[];
  readonly models: readonly string[];
}

/**
 * A session is one key's: two callers may send the same id. Rows that v0.3.42 wrote know their key only by its text and
 * count by user. The inner query goes through the index on session_id, once per session.
 */
const usageQuery = `
  SELECT wanted.position::int, usage.*
  FROM unnest($1::int[], $2::int[], $3::text[]) WITH ORDINALITY AS wanted (user_id, key_id, session_id, position)
  CROSS JOIN LATERAL (
    WITH request AS (
      SELECT id, provider_id, model, cost_usd, duration_ms, input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens, created_at
      FROM message_request
      WHERE session_id = wanted.session_id AND user_id = wanted.user_id AND coalesce(key_id, wanted.key_id) = wanted.key_id
        AND deleted_at IS NULL AND blocked_by IS DISTINCT FROM 'warmup'
    )
    SELECT
      count(*)::int AS requests,
      coalesce(sum(input_tokens), 0)::text AS input,
      coalesce(sum(output_tokens), 0)::text AS output,
      coalesce(sum(cache_creation_input_tokens), 0)::text AS cache_creation,
      coalesce(sum(cache_read_input_tokens), 0)::text AS cache_read,
      coalesce(sum(cost_usd), 0)::text AS cost,
      coalesce(sum(duration_ms), 0)::text AS duration,
      min(created_at) AS first_at,
      coalesce((SELECT json_agg(json_build_object('id', used.id, 'name', used.name) ORDER BY used.first_id)
        FROM (SELECT provider.id, provider.name, min(request.id) AS first_id
              FROM request JOIN providers provider ON provider.id = request.provider_id GROUP BY provider.id, provider.name) AS used), '[]') AS providers,
      coalesce((SELECT json_agg(used.model ORDER BY used.first_id)
        FROM (SELECT model, min(id) AS first_id FROM request WHERE model IS NOT NULL GROUP BY model) AS used), '[]') AS models
    FROM request
  ) AS usage
  ORDER BY wanted.position`;

/** In the order of the sessions. */
export async function sessionUsage(pool: Pool, sessions: readonly SessionRef[]): Promise<readonly SessionUsage[]> {
  if (sessions.length === 0) return [];
  const columns = [sessions.map(({ userId }) => userId), sessions.map(({ keyId }) => keyId), sessions.map(({ sessionId }) => sessionId)];
  const { rows } = await pool.query<UsageRow>(usageQuery, columns);
  return rows.map((row) => ({
    requestCount: row.requests,
    inputTokens: Number(row.input),
    outputTokens: Number(row.output),
    cacheCreationInputTokens: Number(row.cache_creation),
    cacheReadInputTokens: Number(row.cache_read),
    costUsd: row.cost,
    durationMs: Number(row.duration),
    firstAt: row.first_at?.getTime() ?? null,
    providers: row.providers,
    models: row.models,
  }));
}
