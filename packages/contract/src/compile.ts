import type { ModelPrice } from '@hub/pricing';
import {
  compileErrorRule,
  compileKey,
  compilePrice,
  compileProvider,
  compileRequestFilter,
  compileSensitiveWord,
  compileSettings,
  compileUser,
  defaultSettings,
} from './compile-rows.ts';
import { type Entity, EntityKind, type EntityRef } from './gen/hub/v1/config_pb.ts';
import type { ErrorRule, Key, Provider, RequestFilter, SensitiveWord, Settings, Snapshot, User } from './snapshot.ts';

/** Why one row of an update cannot be used. */
export interface SnapshotProblem {
  readonly kind: EntityKind;
  readonly id: string;
  readonly reason: string;
}

export interface SnapshotUpdate {
  readonly version: string;
  /** Start from nothing instead of from `base`. */
  readonly full: boolean;
  readonly upserts: Iterable<Entity>;
  readonly deletes: Iterable<EntityRef>;
}

export interface CompileResult {
  /** Holds every row that could be used; only to be served if there are no problems. */
  readonly snapshot: Snapshot;
  readonly problems: readonly SnapshotProblem[];
}

export const emptySnapshot: Snapshot = {
  version: '',
  settings: defaultSettings,
  users: new Map(),
  keys: new Map(),
  keysByFingerprint: new Map(),
  providers: new Map(),
  prices: new Map(),
  errorRules: new Map(),
  requestFilters: new Map(),
  sensitiveWords: new Map(),
};

/**
 * The one way from rows to a snapshot, run by the control plane before it publishes and by the data plane before it
 * serves. Costs O(changed rows) plus a copy of the index of each kind that changed. Never throws.
 */
export function compile(base: Snapshot, update: SnapshotUpdate): CompileResult {
  const draft = new Draft(update.full ? emptySnapshot : base);
  const problems: SnapshotProblem[] = [];
  for (const reference of update.deletes) draft.delete(reference);
  for (const entity of update.upserts) {
    try {
      draft.upsert(entity);
    } catch (error) {
      problems.push({ ...referenceOf(entity), reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { snapshot: draft.finish(update.version), problems };
}

/** The identity of an entity: kind and id as `EntityRef` has them. */
export function referenceOf(entity: Entity): { kind: EntityKind; id: string } {
  const { entity: row } = entity;
  switch (row.case) {
    case 'user':
      return { kind: EntityKind.USER, id: String(row.value.id) };
    case 'key':
      return { kind: EntityKind.KEY, id: String(row.value.id) };
    case 'provider':
      return { kind: EntityKind.PROVIDER, id: String(row.value.id) };
    case 'price':
      return { kind: EntityKind.PRICE, id: row.value.model };
    case 'settings':
      return { kind: EntityKind.SETTINGS, id: '1' };
    case 'errorRule':
      return { kind: EntityKind.ERROR_RULE, id: String(row.value.id) };
    case 'requestFilter':
      return { kind: EntityKind.REQUEST_FILTER, id: String(row.value.id) };
    case 'sensitiveWord':
      return { kind: EntityKind.SENSITIVE_WORD, id: String(row.value.id) };
    case undefined:
      return { kind: EntityKind.UNSPECIFIED, id: '' };
  }
}

/** A map that is copied at the first change, so that unchanged kinds are shared with the base. */
class CopyOnWrite<K, V> {
  #map: ReadonlyMap<K, V>;
  #own: Map<K, V> | undefined;
  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map;
  }
  get current(): ReadonlyMap<K, V> {
    return this.#own ?? this.#map;
  }
  set(key: K, value: V): void {
    this.#writable().set(key, value);
  }
  delete(key: K): void {
    if (this.current.has(key)) this.#writable().delete(key);
  }
  #writable(): Map<K, V> {
    this.#own ??= new Map(this.#map);
    return this.#own;
  }
}

class Draft {
  #settings: Settings;
  readonly #users: CopyOnWrite<number, User>;
  readonly #keys: CopyOnWrite<number, Key>;
  readonly #keysByFingerprint: CopyOnWrite<string, Key>;
  readonly #providers: CopyOnWrite<number, Provider>;
  readonly #prices: CopyOnWrite<string, ModelPrice>;
  readonly #errorRules: CopyOnWrite<number, ErrorRule>;
  readonly #requestFilters: CopyOnWrite<number, RequestFilter>;
  readonly #sensitiveWords: CopyOnWrite<number, SensitiveWord>;

  constructor(base: Snapshot) {
    this.#settings = base.settings;
    this.#users = new CopyOnWrite(base.users);
    this.#keys = new CopyOnWrite(base.keys);
    this.#keysByFingerprint = new CopyOnWrite(base.keysByFingerprint);
    this.#providers = new CopyOnWrite(base.providers);
    this.#prices = new CopyOnWrite(base.prices);
    this.#errorRules = new CopyOnWrite(base.errorRules);
    this.#requestFilters = new CopyOnWrite(base.requestFilters);
    this.#sensitiveWords = new CopyOnWrite(base.sensitiveWords);
  }

  upsert({ entity: row }: Entity): void {
    switch (row.case) {
      case 'user':
        return this.#users.set(row.value.id, compileUser(row.value));
      case 'key':
        return this.#setKey(compileKey(row.value));
      case 'provider':
        return this.#providers.set(row.value.id, compileProvider(row.value));
      case 'price': {
        const price = compilePrice(row.value);
        return price === undefined ? this.#prices.delete(row.value.model) : this.#prices.set(row.value.model, price);
      }
      case 'settings':
        this.#settings = compileSettings(row.value);
        return;
      case 'errorRule':
        return this.#errorRules.set(row.value.id, compileErrorRule(row.value));
      case 'requestFilter':
        return this.#requestFilters.set(row.value.id, compileRequestFilter(row.value));
      case 'sensitiveWord':
        return this.#sensitiveWords.set(row.value.id, compileSensitiveWord(row.value));
      case undefined:
        throw new Error('an entity of a kind that this version does not know');
    }
  }

  delete({ kind, id }: EntityRef): void {
    switch (kind) {
      case EntityKind.USER:
        return this.#users.delete(Number(id));
      case EntityKind.KEY:
        return this.#deleteKey(Number(id));
      case EntityKind.PROVIDER:
        return this.#providers.delete(Number(id));
      case EntityKind.PRICE:
        return this.#prices.delete(id);
      case EntityKind.SETTINGS:
        this.#settings = defaultSettings;
        return;
      case EntityKind.ERROR_RULE:
        return this.#errorRules.delete(Number(id));
      case EntityKind.REQUEST_FILTER:
        return this.#requestFilters.delete(Number(id));
      case EntityKind.SENSITIVE_WORD:
        return this.#sensitiveWords.delete(Number(id));
      default:
        return;
    }
  }

  finish(version: string): Snapshot {
    return Object.freeze({
      version,
      settings: this.#settings,
      users: this.#users.current,
      keys: this.#keys.current,
      keysByFingerprint: this.#keysByFingerprint.current,
      providers: this.#providers.current,
      prices: this.#prices.current,
      errorRules: this.#errorRules.current,
      requestFilters: this.#requestFilters.current,
      sensitiveWords: this.#sensitiveWords.current,
    });
  }

  #setKey(key: Key): void {
    this.#deleteKey(key.id);
    this.#keys.set(key.id, key);
    this.#keysByFingerprint.set(key.fingerprint, key);
  }

  #deleteKey(id: number): void {
    const old = this.#keys.current.get(id);
    if (old === undefined) return;
    this.#keys.delete(id);
    // Two rows may briefly hold the same key string: only remove what is ours.
    if (this.#keysByFingerprint.current.get(old.fingerprint)?.id === id) this.#keysByFingerprint.delete(old.fingerprint);
  }
}
