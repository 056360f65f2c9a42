import { createHash } from 'node:crypto';
import { type SnapshotProblem, toBinary, wire } from '@hub/contract';
import type { Reference } from './load.ts';

/** One published entity. */
export interface Published {
  readonly reference: Reference;
  readonly entity: wire.Entity;
  /** At least what it takes encoded; bytes. */
  readonly size: number;
}

/** By `referenceKey`. */
export type WireState = ReadonlyMap<string, Published>;

export function referenceKey({ kind, id }: Reference): string {
  return `${kind}/${id}`;
}

export function publishedOf(reference: Reference, entity: wire.Entity): Published {
  return { reference, entity, size: sizeOf(entity) };
}

/** A bound of the encoded size; encoding 100,000 keys only to measure them would take seconds. */
function sizeOf(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return Buffer.byteLength(value) + 6;
    case 'number':
    case 'bigint':
      return 12;
    case 'boolean':
      return 3;
    case 'object':
      if (value === null) return 0;
      if (value instanceof Uint8Array) return value.length + 6;
      return Object.entries(value).reduce((sum, [name, member]) => sum + Buffer.byteLength(name) + sizeOf(member), 6);
    default:
      return 0;
  }
}

/** Equal on the wire: a row may change in columns that no data plane sees. */
export function sameOnWire(left: Published, right: Published): boolean {
  if (left.size !== right.size) return false;
  const bytes = toBinary(wire.EntitySchema, left.entity);
  return Buffer.compare(bytes, toBinary(wire.EntitySchema, right.entity)) === 0;
}

/** Raise when a row is put on the wire differently: nodes must then not take the same revision for the same content. */
const mappingRevision = 1;

/**
 * What besides the revision decides the content of a version: the mapping, the time zone of the process, and which rows
 * are quarantined (with what stands in for them). Two control planes that would send the same content have the same mark.
 */
export function contentMark(timeZone: string, problems: ReadonlyMap<string, SnapshotProblem>, state: WireState): string {
  const hash = createHash('sha256').update(`${mappingRevision}\n${timeZone}\n`);
  for (const key of [...problems.keys()].toSorted()) {
    const held = state.get(key);
    hash.update(`${key}\n${problems.get(key)?.reason ?? ''}\n`);
    if (held !== undefined) hash.update(toBinary(wire.EntitySchema, held.entity));
  }
  return hash.digest('hex').slice(0, 8);
}

/** What a node has to be told to be at `version`. */
export interface Update {
  readonly version: string;
  readonly full: boolean;
  /** Empty when full. */
  readonly baseVersion: string;
  readonly upserts: readonly Published[];
  readonly deletes: readonly Reference[];
}

/** Limits of one message of an update. */
const entitiesPerBatch = 2_000;
const bytesPerBatch = 1024 * 1024;

/** Cuts an update into messages of at most 2,000 entities and, unless one entity alone is bigger, 1 MiB; at least one. */
export function* batches(update: Update): Generator<wire.WatchResponse> {
  const { version, full, baseVersion } = update;
  let upserts: wire.Entity[] = [];
  let deletes: wire.EntityRef[] = [];
  let bytes = 0;
  const message = (last: boolean): wire.WatchResponse => ({ $typeName: 'hub.v1.WatchResponse', version, full, baseVersion, upserts, deletes, last });
  const isFull = (next: number): boolean => {
    const entities = upserts.length + deletes.length;
    return entities > 0 && (entities >= entitiesPerBatch || bytes + next > bytesPerBatch);
  };
  const startNext = (): void => {
    upserts = [];
    deletes = [];
    bytes = 0;
  };
  for (const { entity, size } of update.upserts) {
    if (isFull(size)) {
      yield message(false);
      startNext();
    }
    upserts.push(entity);
    bytes += size;
  }
  for (const { kind, id } of update.deletes) {
    const size = id.length + 8;
    if (isFull(size)) {
      yield message(false);
      startNext();
    }
    deletes.push({ $typeName: 'hub.v1.EntityRef', kind, id });
    bytes += size;
  }
  yield message(true);
}
