import type { Logger } from '@hub/service';
import type { Pool } from 'pg';
import type { Vault } from '../vault.ts';

/** What message_request.key holds for a key, by key id. */
export interface KeyColumns {
  /** @returns a value for every id; the empty text for a key that no longer exists */
  of(keyIds: Iterable<number>): Promise<ReadonlyMap<number, string>>;
  /** The row has changed. */
  forget(keyId: number): void;
}

/** Remembers the most recently used keys. */
const capacity = 10_000;

export function createKeyColumns(pool: Pool, vault: Vault, log: Logger): KeyColumns {
  /** Oldest use first. */
  const known = new Map<number, string>();

  const remember = (id: number, column: string): void => {
    known.delete(id);
    known.set(id, column);
    if (known.size > capacity) known.delete(known.keys().next().value ?? id);
  };

  const read = async (ids: readonly number[]): Promise<void> => {
    const { rows } = await pool.query<{ id: number; key: string; key_hash: Buffer | null }>('SELECT id, key, key_hash FROM keys WHERE id = ANY($1)', [ids]);
    for (const row of rows) {
      try {
        remember(row.id, vault.keyColumn({ key: row.key, keyHash: row.key_hash }));
      } catch (error) {
        log.warn({ err: error, key: row.id }, 'the key of a usage record cannot be read; its row goes without');
      }
    }
  };

  return {
    async of(keyIds) {
      const wanted = new Set(keyIds);
      const unknown = [...wanted].filter((id) => !known.has(id));
      if (unknown.length > 0) await read(unknown);
      const columns = new Map<number, string>();
      for (const id of wanted) {
        const column = known.get(id);
        columns.set(id, column ?? '');
        if (column !== undefined) remember(id, column);
      }
      return columns;
    },
    forget(keyId) {
      known.delete(keyId);
    },
  };
}
