import type { Pool } from 'pg';
import type { StaleKeyHash } from './load.ts';

const perStatement = 1_000;

/**
 * Writes key hashes that the old service (or a hand) left out. Two live rows with one key string cannot both have it: the
 * first keeps it, the other stays without. Rows that changed meanwhile are skipped.
 */
export async function storeKeyHashes(pool: Pool, stale: readonly StaleKeyHash[]): Promise<void> {
  for (let at = 0; at < stale.length; at += perStatement) {
    const some = stale.slice(at, at + perStatement);
    await pool.query(
      `UPDATE keys SET key_hash = fresh.hash
       FROM (SELECT DISTINCT ON (hash) id, key, hash FROM unnest($1::int[], $2::text[], $3::bytea[]) AS u(id, key, hash) ORDER BY hash, id) AS fresh
       WHERE keys.id = fresh.id AND keys.key = fresh.key AND keys.key_hash IS DISTINCT FROM fresh.hash
         AND NOT EXISTS (SELECT 1 FROM keys other WHERE other.key_hash = fresh.hash AND other.deleted_at IS NULL AND other.id <> keys.id)`,
      [some.map((row) => row.id), some.map((row) => row.key), some.map((row) => row.hash)],
    );
  }
}
