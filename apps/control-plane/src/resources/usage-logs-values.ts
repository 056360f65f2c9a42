import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import type { CallContext } from '../context.ts';
import { recentAnswers } from './statistics-cache.ts';

/** What there is to filter by. */

export const filterOptions = z.object({ models: z.array(z.string()), statusCodes: z.array(z.number()), endpoints: z.array(z.string()) });
export type FilterOptions = z.output<typeof filterOptions>;

/** How long a new model may be missing from the lists; ms. They are read from the whole log. */
const keptMs = 60_000;

/**
 * The values of all rows for an admin, otherwise of one's own (v0.3.42 told everybody's to everybody, defect I-7). Ascending,
 * without the blank ones.
 */
export function optionReader(): (context: CallContext) => Promise<FilterOptions> {
  const recent = recentAnswers<FilterOptions>(keptMs);
  return (context) => {
    const userId = isAdmin(context.caller) ? undefined : context.caller.user.id;
    return recent.get(String(userId), context.clock.now(), () => readOptions(context, userId));
  };
}

async function readOptions({ database }: CallContext, userId: number | undefined): Promise<FilterOptions> {
  const where = userId === undefined ? 'deleted_at IS NULL' : 'deleted_at IS NULL AND user_id = $1';
  const { rows } = await database.pool.query<{ models: string[] | null; codes: number[] | null; endpoints: string[] | null }>(
    `WITH used AS (SELECT model, status_code, endpoint FROM message_request WHERE ${where} GROUP BY model, status_code, endpoint)
     SELECT (SELECT array_agg(DISTINCT model::text ORDER BY model::text) FROM used WHERE model IS NOT NULL) AS models,
       (SELECT array_agg(DISTINCT status_code ORDER BY status_code) FROM used WHERE status_code IS NOT NULL) AS codes,
       (SELECT array_agg(DISTINCT endpoint::text ORDER BY endpoint::text) FROM used WHERE endpoint IS NOT NULL) AS endpoints`,
    userId === undefined ? [] : [userId],
  );
  const [row] = rows;
  return { models: row?.models ?? [], statusCodes: row?.codes ?? [], endpoints: row?.endpoints ?? [] };
}
