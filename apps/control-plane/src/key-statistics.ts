import type { Pool } from 'pg';
import { counted } from './spending.ts';

/** What a key did since midnight, and when it was last used at all. */
export interface KeyStatistics {
  /** USD, 6 decimals. */
  readonly todayUsage: number;
  readonly todayCallCount: number;
  readonly lastUsedAt: string | null;
  readonly lastProviderName: string | null;
  /** Most called first; `totalCost` in USD, 6 decimals. */
  readonly modelStats: readonly { readonly model: string; readonly callCount: number; readonly totalCost: number }[];
}

export const unusedKey: KeyStatistics = { todayUsage: 0, todayCallCount: 0, lastUsedAt: null, lastProviderName: null, modelStats: [] };

/** `key` is its text: rows that v0.3.42 wrote know it only by that. */
export interface KeyReference {
  readonly id: number;
  readonly key: string;
}

/** @param since epoch ms of midnight */
export async function keyStatistics(pool: Pool, keys: readonly KeyReference[], since: number): Promise<ReadonlyMap<number, KeyStatistics>> {
  if (keys.length === 0) return new Map();
  const subjects = [keys.map(({ id }) => id), keys.map(({ key }) => key)] as const;
  const [today, last] = await Promise.all([
    pool.query<TodayRow>(todayQuery, [...subjects, new Date(since)]),
    pool.query<LastRow>(lastQuery, [...subjects]),
  ]);
  const statistics = new Map<number, KeyStatistics>();
  for (const { key_id, last_used_at, provider_name } of last.rows) {
    const rows = today.rows.filter((row) => row.key_id === key_id);
    statistics.set(key_id, {
      todayUsage: sixDecimals(rows.reduce((sum, row) => sum + row.cost, 0)),
      todayCallCount: rows.reduce((sum, row) => sum + row.calls, 0),
      lastUsedAt: last_used_at?.toISOString() ?? null,
      lastProviderName: provider_name,
      modelStats: rows.flatMap(({ model, calls, cost }) =>
        model === null ? [] : [{ model, callCount: calls, totalCost: sixDecimals(cost) }],
      ),
    });
  }
  return statistics;
}

interface TodayRow {
  readonly key_id: number;
  readonly model: string | null;
  readonly calls: number;
  readonly cost: number;
}

interface LastRow {
  readonly key_id: number;
  readonly last_used_at: Date | null;
  readonly provider_name: string | null;
}

const subject = 'unnest($1::int[], $2::text[]) AS subject (id, key)';

const todayQuery = `
  SELECT id AS key_id, model, count(*)::int AS calls, coalesce(sum(cost_usd), 0)::float8 AS cost
  FROM (
    SELECT subject.id, m.model, m.cost_usd FROM ${subject} JOIN message_request m ON m.key_id = subject.id
    WHERE m.created_at >= $3 AND ${counted}
    UNION ALL
    SELECT subject.id, m.model, m.cost_usd FROM ${subject} JOIN message_request m ON m.key = subject.key AND m.key_id IS NULL
    WHERE m.created_at >= $3 AND ${counted}
  ) AS today
  GROUP BY id, model
  ORDER BY id, calls DESC, model`;

const lastQuery = `
  SELECT subject.id AS key_id, latest.created_at AS last_used_at, provider.name AS provider_name
  FROM ${subject}
  LEFT JOIN LATERAL (
    (SELECT created_at, provider_id FROM message_request
     WHERE key_id = subject.id AND ${counted} ORDER BY created_at DESC LIMIT 1)
    UNION ALL
    (SELECT created_at, provider_id FROM message_request
     WHERE key = subject.key AND key_id IS NULL AND ${counted} ORDER BY created_at DESC LIMIT 1)
    ORDER BY created_at DESC LIMIT 1
  ) AS latest ON true
  LEFT JOIN providers provider ON provider.id = latest.provider_id`;

function sixDecimals(amount: number): number {
  return Math.round(amount * 1e6) / 1e6;
}
