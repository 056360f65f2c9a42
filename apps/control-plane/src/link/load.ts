import { type SnapshotProblem, wire } from '@hub/contract';
import { hashKey, isSealed } from '@hub/service';
import type { Pool, PoolClient } from 'pg';
import type { Vault } from '../vault.ts';
import {
  type ErrorRuleRow,
  errorRuleEntity,
  type KeyRow,
  keyEntity,
  type PriceRow,
  priceEntity,
  type ProviderRow,
  providerEntity,
  type RequestFilterRow,
  requestFilterEntity,
  type SensitiveWordRow,
  sensitiveWordEntity,
  type SettingsRow,
  settingsEntity,
  type UserRow,
  userEntity,
} from './rows.ts';
import * as select from './select.ts';

/** Identity of an entity, as `EntityRef` has it. */
export interface Reference {
  readonly kind: wire.EntityKind;
  readonly id: string;
}

/** Where the configuration of a database stands. */
export interface Position {
  /** Of the database: a copy that lives on its own gets another. */
  readonly instanceId: string;
  /** Rises with every committed change. */
  readonly revision: bigint;
}

/** A key row whose stored hash is missing or not the hash of its key. */
export interface StaleKeyHash {
  readonly id: number;
  /** The column as stored, so that a row that changed meanwhile is left alone. */
  readonly key: string;
  readonly hash: Buffer;
}

/** What one transaction read. */
export interface ConfigLoad extends Position {
  /** True: what is in neither list does not exist. False: only what the change log names was read. */
  readonly full: boolean;
  readonly upserts: readonly wire.Entity[];
  readonly deletes: readonly Reference[];
  /** Rows that cannot be put on the wire. */
  readonly problems: readonly SnapshotProblem[];
  readonly staleKeyHashes: readonly StaleKeyHash[];
}

export interface Loader {
  position(): Promise<Position>;
  loadAll(): Promise<ConfigLoad>;
  /**
   * What has changed after a revision. Falls back to everything where the change log cannot tell: another database, an
   * older revision (a restored backup), or a log that was trimmed past it.
   */
  loadChanged(since: Position): Promise<ConfigLoad>;
}

export interface LoaderOptions {
  readonly pool: Pool;
  readonly vault: Vault;
  /** IANA name; travels with the settings. */
  readonly timeZone: string;
}

/** Rows per query: small enough that mapping them does not hold up the event loop for long. */
const rowsPerQuery = 2_000;

class Draft {
  readonly upserts: wire.Entity[] = [];
  readonly deletes: Reference[] = [];
  readonly problems: SnapshotProblem[] = [];
  readonly staleKeyHashes: StaleKeyHash[] = [];

  /** Adds what `map` makes of a row, or says why it made nothing. */
  add(reference: Reference, map: () => wire.Entity): void {
    try {
      this.upserts.push(map());
    } catch (error) {
      this.problems.push({ ...reference, reason: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** One configuration table with a row per entity. */
interface Source {
  /** As the change log names it. */
  readonly entity: string;
  readAll(client: PoolClient, draft: Draft): Promise<void>;
  readSome(client: PoolClient, draft: Draft, ids: readonly number[]): Promise<void>;
}

interface TableDescription<Row> {
  readonly entity: string;
  readonly kind: wire.EntityKind;
  readonly table: string;
  readonly columns: string;
  /** Condition of the rows that a data plane should know. */
  readonly live: string;
  map(row: Row, draft: Draft): wire.Entity;
}

function tableSource<Row extends { readonly id: number }>(description: TableDescription<Row>): Source {
  const { entity, kind, table, columns, live } = description;
  const add = (draft: Draft, row: Row): void => draft.add({ kind, id: String(row.id) }, () => description.map(row, draft));
  return {
    entity,
    async readAll(client, draft) {
      // A cursor rather than pages: one scan, whatever the planner thinks of the table.
      await client.query(`DECLARE everything NO SCROLL CURSOR FOR SELECT ${columns} FROM ${table} WHERE ${live} ORDER BY id`);
      for (let more = true; more; ) {
        const { rows } = await client.query<Row>(`FETCH ${rowsPerQuery} FROM everything`);
        for (const row of rows) add(draft, row);
        more = rows.length === rowsPerQuery;
      }
      await client.query('CLOSE everything');
    },
    async readSome(client, draft, ids) {
      const text = `SELECT ${columns} FROM ${table} WHERE id = ANY($1) AND ${live} ORDER BY id`;
      for (const some of slices(ids)) {
        const { rows } = await client.query<Row>(text, [some]);
        const found = new Set(rows.map((row) => row.id));
        for (const id of some) if (!found.has(id)) draft.deletes.push({ kind, id: String(id) });
        for (const row of rows) add(draft, row);
      }
    },
  };
}

function* slices<T>(items: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < items.length; at += rowsPerQuery) yield items.slice(at, at + rowsPerQuery);
}

/**
 * Price rows are named in the change log by row id, on the wire by model: a deleted row's model has to be remembered.
 * Rows are never forgotten; a model too many only costs a look.
 */
function priceSource(): Source {
  const models = new Map<number, string>();
  const add = (draft: Draft, row: PriceRow): void => {
    models.set(row.id, row.model_name);
    draft.add({ kind: wire.EntityKind.PRICE, id: row.model_name }, () => priceEntity(row));
  };
  return {
    entity: 'price',
    async readAll(client, draft) {
      const { rows } = await client.query<PriceRow>(select.newestPrices(''));
      for (const row of rows) add(draft, row);
    },
    async readSome(client, draft, ids) {
      const named = await client.query<{ model_name: string }>('SELECT DISTINCT model_name FROM model_prices WHERE id = ANY($1)', [ids]);
      const touched = new Set(named.rows.map((row) => row.model_name));
      for (const id of ids) {
        const model = models.get(id);
        if (model !== undefined) touched.add(model);
      }
      const { rows } = await client.query<PriceRow>(select.newestPrices('WHERE model_name = ANY($1)'), [[...touched]]);
      for (const row of rows) touched.delete(row.model_name);
      for (const model of touched) draft.deletes.push({ kind: wire.EntityKind.PRICE, id: model });
      for (const row of rows) add(draft, row);
    },
  };
}

/** The settings are the row with the lowest id (v0.3.42), together with the time zone of the process. */
function settingsSource(timeZone: string): Source {
  const read = async (client: PoolClient, draft: Draft): Promise<void> => {
    const { rows } = await client.query<SettingsRow>(`SELECT ${select.settingsColumns} FROM system_settings ORDER BY id LIMIT 1`);
    draft.add({ kind: wire.EntityKind.SETTINGS, id: '1' }, () => settingsEntity(rows[0], timeZone));
  };
  return { entity: 'settings', readAll: read, readSome: read };
}

/** A plain key is hashed anew each time, so that a key changed by hand in the database is in force as it stands there. */
function mapKey(row: KeyRow, draft: Draft, vault: Vault): wire.Entity {
  const trusted = isSealed(row.key) ? row.key_hash : null;
  const hash = trusted ?? hashKey(vault.reveal(row.key, 'hub-key'));
  if (row.key_hash === null || !row.key_hash.equals(hash)) draft.staleKeyHashes.push({ id: row.id, key: row.key, hash });
  return keyEntity(row, hash);
}

function configurationSources({ vault, timeZone }: LoaderOptions): readonly Source[] {
  const { EntityKind } = wire;
  return [
    settingsSource(timeZone),
    tableSource<UserRow>({ entity: 'user', kind: EntityKind.USER, table: 'users', columns: select.userColumns, live: 'deleted_at IS NULL', map: userEntity }),
    tableSource<KeyRow>({ entity: 'key', kind: EntityKind.KEY, table: 'keys', columns: select.keyColumns, live: 'deleted_at IS NULL', map: (row, draft) => mapKey(row, draft, vault) }),
    tableSource<ProviderRow>({
      entity: 'provider',
      kind: EntityKind.PROVIDER,
      table: 'providers',
      columns: select.providerColumns,
      live: 'deleted_at IS NULL',
      map: (row) => providerEntity(row, vault.reveal(row.key, 'provider-key')),
    }),
    priceSource(),
    tableSource<ErrorRuleRow>({ entity: 'error_rule', kind: EntityKind.ERROR_RULE, table: 'error_rules', columns: select.errorRuleColumns, live: 'is_enabled', map: errorRuleEntity }),
    tableSource<RequestFilterRow>({ entity: 'request_filter', kind: EntityKind.REQUEST_FILTER, table: 'request_filters', columns: select.requestFilterColumns, live: 'is_enabled', map: requestFilterEntity }),
    tableSource<SensitiveWordRow>({ entity: 'sensitive_word', kind: EntityKind.SENSITIVE_WORD, table: 'sensitive_words', columns: select.sensitiveWordColumns, live: 'is_enabled', map: sensitiveWordEntity }),
  ];
}

const positionQuery = `SELECT m.instance_id::text AS instance, coalesce((SELECT max(revision) FROM hub_config_change), 0)::text AS revision FROM hub_meta m LIMIT 1`;

async function readPosition(client: Pool | PoolClient): Promise<Position> {
  const { rows } = await client.query<{ instance: string; revision: string }>(positionQuery);
  const [row] = rows;
  if (row === undefined) throw new Error('hub_meta is empty: the migrations have not run');
  return { instanceId: row.instance, revision: BigInt(row.revision) };
}

/** Reads the configuration; every load is one consistent state of the database, together with the revision that it has. */
export function createLoader(options: LoaderOptions): Loader {
  const { pool } = options;
  const sources = configurationSources(options);

  const readEverything = async (client: PoolClient, position: Position): Promise<ConfigLoad> => {
    const draft = new Draft();
    for (const source of sources) await source.readAll(client, draft);
    return { ...position, full: true, ...contents(draft) };
  };

  return {
    position: () => readPosition(pool),
    loadAll: () => inSnapshot(pool, async (client) => readEverything(client, await readPosition(client))),
    loadChanged: (since) =>
      inSnapshot(pool, async (client) => {
        const position = await readPosition(client);
        const changed = await changedSince(client, since, position);
        if (changed === undefined) return readEverything(client, position);
        const draft = new Draft();
        for (const source of sources) {
          const ids = changed.get(source.entity);
          if (ids !== undefined) await source.readSome(client, draft, ids);
        }
        return { ...position, full: false, ...contents(draft) };
      }),
  };
}

function contents({ upserts, deletes, problems, staleKeyHashes }: Draft) {
  return { upserts, deletes, problems, staleKeyHashes };
}

/** @returns row ids by entity name; undefined if only a full load can tell */
async function changedSince(client: PoolClient, since: Position, now: Position): Promise<Map<string, number[]> | undefined> {
  if (since.instanceId !== now.instanceId || since.revision > now.revision) return undefined;
  const changed = new Map<string, number[]>();
  if (since.revision === now.revision) return changed;
  // Revisions have gaps (rolled back transactions), so only an entry as old as `since` proves that none was trimmed after it.
  const known = await client.query('SELECT 1 FROM hub_config_change WHERE revision <= $1 LIMIT 1', [String(since.revision)]);
  if (known.rowCount === 0 && since.revision > 0n) return undefined;
  const { rows } = await client.query<{ entity: string; ids: (number | null)[] }>(
    'SELECT entity, array_agg(DISTINCT entity_id) AS ids FROM hub_config_change WHERE revision > $1 GROUP BY entity',
    [String(since.revision)],
  );
  for (const row of rows) {
    const ids = row.ids.filter((id) => id !== null);
    // An entry without an id says that the whole table was emptied.
    if (ids.length < row.ids.length) return undefined;
    changed.set(row.entity, ids);
  }
  return changed;
}

/** One read-only transaction that sees one moment of the database. */
async function inSnapshot<T>(pool: Pool, read: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const result = await read(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
