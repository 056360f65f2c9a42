import { compile, emptySnapshot, referenceOf, type Snapshot, type SnapshotProblem, wire } from '@hub/contract';
import type { Logger } from '@hub/service';
import type { Pool } from 'pg';
import { type ChangeFeed, startChangeFeed } from './change-feed.ts';
import { storeKeyHashes } from './key-hashes.ts';
import { type ConfigLoad, createLoader, type Loader, type LoaderOptions, type Position, type Reference } from './load.ts';
import type { LinkMetrics } from './metrics.ts';
import { settingsEntity } from './rows.ts';
import { contentMark, type Published, publishedOf, referenceKey, sameOnWire, type Update } from './wire-state.ts';

export interface PublisherOptions extends LoaderOptions {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly log: Logger;
  readonly metrics: LinkMetrics;
}

/**
 * The configuration as it is published: what is on the wire, the snapshot that the data planes make of it, and what
 * changed recently. It follows the database by itself.
 */
export interface Publisher {
  /** `<instance id>:<revision>:<content mark>`; data planes compare it for equality only. */
  readonly version: string;
  readonly snapshot: Snapshot;
  /** Rows that are not published as they stand; their last good version, if there was one, stays in force. */
  problems(): readonly SnapshotProblem[];
  /** What a node that serves `knownVersion` needs; everything if that version is unknown or too far back. */
  updateSince(knownVersion: string): Update;
  /** Looks at the database now. Everything committed before the call is published when it resolves, unless the database fails. */
  refresh(): Promise<void>;
  /** Called after each new version. @returns the way to stop it */
  subscribe(listener: (changed: readonly Reference[]) => void): () => void;
  close(): Promise<void>;
}

/** How many versions back a node may be and still get a delta. */
const historyLength = 1_000;
const pollMs = 1_000;
/** A process that slept longer cannot trust the change log any more, which is trimmed after seven days. ms. */
const trustedGapMs = 24 * 60 * 60 * 1000;
/** Larger entities could not be sent in one message. Bytes. */
const largestEntity = 8 * 1024 * 1024;

interface HistoryEntry {
  readonly version: string;
  /** Keys of what changed when this version was published. */
  readonly changed: readonly string[];
}

/**
 * Loads the configuration and starts to follow it.
 * @throws Error if the database cannot be read or the time zone is unknown
 */
export async function startPublisher(options: PublisherOptions): Promise<Publisher> {
  const publisher = new DatabasePublisher(options);
  await publisher.start();
  return publisher;
}

class DatabasePublisher implements Publisher {
  readonly #options: PublisherOptions;
  readonly #loader: Loader;
  readonly #state = new Map<string, Published>();
  readonly #problems = new Map<string, SnapshotProblem>();
  readonly #history: HistoryEntry[] = [];
  readonly #listeners = new Set<(changed: readonly Reference[]) => void>();
  #snapshot: Snapshot = emptySnapshot;
  #position: Position | undefined;
  #loadedAt = 0;
  #feed: ChangeFeed | undefined;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#loader = createLoader(options);
    // The settings always exist; a row that cannot be used leaves these in force.
    const settings = settingsEntity(undefined, options.timeZone);
    const { snapshot, problems } = compile(emptySnapshot, { version: '', full: true, upserts: [settings], deletes: [] });
    if (problems[0] !== undefined) throw new Error(problems[0].reason);
    this.#snapshot = snapshot;
    const reference = { kind: wire.EntityKind.SETTINGS, id: '1' };
    this.#state.set(referenceKey(reference), publishedOf(reference, settings));
  }

  get version(): string {
    return this.#snapshot.version;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  problems(): readonly SnapshotProblem[] {
    return [...this.#problems.values()];
  }

  async start(): Promise<void> {
    const began = performance.now();
    const load = await this.#loader.loadAll();
    this.#apply(load);
    const { log, databaseUrl } = this.#options;
    log.info({ version: this.version, entities: this.#state.size, ms: Math.round(performance.now() - began) }, 'configuration loaded');
    this.#feed = startChangeFeed({ databaseUrl, log, pollMs, onChange: () => void this.refresh() });
    await this.#storeKeyHashes(load);
  }

  updateSince(knownVersion: string): Update {
    const changed = this.#changedSince(knownVersion);
    const { version } = this;
    if (changed === undefined || changed.size > this.#state.size) {
      return { version, full: true, baseVersion: '', upserts: [...this.#state.values()], deletes: [] };
    }
    const upserts: Published[] = [];
    const deletes: Reference[] = [];
    for (const key of changed) {
      const published = this.#state.get(key);
      if (published !== undefined) upserts.push(published);
      else deletes.push(parseReferenceKey(key));
    }
    return { version, full: false, baseVersion: knownVersion, upserts, deletes };
  }

  refresh(): Promise<void> {
    this.#queued ??= this.#running.then(() => {
      this.#queued = undefined;
      this.#running = this.#follow();
      return this.#running;
    });
    return this.#queued;
  }

  subscribe(listener: (changed: readonly Reference[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await this.#feed?.close();
    await (this.#queued ?? this.#running);
  }

  /** One look at the database. Never rejects: what failed is tried again at the next poll. */
  async #follow(): Promise<void> {
    if (this.#closed) return;
    try {
      const position = await this.#loader.position();
      if (samePosition(position, this.#position)) {
        this.#loadedAt = Date.now();
      } else {
        const began = performance.now();
        const load = await this.#load();
        this.#apply(load);
        this.#options.metrics.publishSeconds.observe((performance.now() - began) / 1000);
        await this.#storeKeyHashes(load);
      }
      if (this.#failing) this.#options.log.info('the configuration can be read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.log.error({ err: error }, 'cannot read the configuration; what is published stays in force');
      this.#failing = true;
    }
  }

  #load(): Promise<ConfigLoad> {
    const trusted = Date.now() - this.#loadedAt < trustedGapMs;
    return trusted && this.#position !== undefined ? this.#loader.loadChanged(this.#position) : this.#loader.loadAll();
  }

  /** Makes a load the published version. */
  #apply(load: ConfigLoad): void {
    const changes = this.#difference(load);
    const compiled = compile(this.#snapshot, {
      version: '',
      full: false,
      upserts: changes.upserts.map((published) => published.entity),
      deletes: changes.deletes.map(({ kind, id }) => ({ $typeName: 'hub.v1.EntityRef', kind, id })),
    });
    this.#quarantine(load, [...changes.problems, ...compiled.problems]);
    const refused = new Set(compiled.problems.map(referenceKey));
    const changed = new Map<string, Reference>();
    for (const published of changes.upserts) {
      const key = referenceKey(published.reference);
      if (refused.has(key)) continue;
      this.#state.set(key, published);
      changed.set(key, published.reference);
    }
    for (const reference of changes.deletes) {
      const key = referenceKey(reference);
      if (this.#state.delete(key)) changed.set(key, reference);
    }
    const previous = this.#position;
    // Another database or a restored backup: what older versions were called may soon be the name of something else.
    if (previous !== undefined && (previous.instanceId !== load.instanceId || previous.revision > load.revision)) this.#history.length = 0;
    this.#position = { instanceId: load.instanceId, revision: load.revision };
    this.#loadedAt = Date.now();
    this.#publish({ ...compiled.snapshot, version: this.#versionOf(load) }, changed);
  }

  /** What of a load differs from what is published. */
  #difference(load: ConfigLoad): { upserts: Published[]; deletes: Reference[]; problems: SnapshotProblem[] } {
    const upserts: Published[] = [];
    const problems = [...load.problems];
    const present = new Set(load.problems.map(referenceKey));
    for (const entity of load.upserts) {
      const reference = referenceOf(entity);
      const key = referenceKey(reference);
      present.add(key);
      const published = publishedOf(reference, entity);
      if (published.size > largestEntity) {
        problems.push({ ...reference, reason: `the row has about ${published.size} bytes, more than ${largestEntity}` });
        continue;
      }
      const previous = this.#state.get(key);
      if (previous === undefined || !sameOnWire(previous, published)) upserts.push(published);
    }
    const deletes = load.full
      ? [...this.#state.values()].filter(({ reference }) => !present.has(referenceKey(reference))).map(({ reference }) => reference)
      : [...load.deletes];
    return { upserts, deletes, problems };
  }

  /** Keeps the list of unusable rows up to date; each is logged once per reason. */
  #quarantine(load: ConfigLoad, problems: readonly SnapshotProblem[]): void {
    const before = new Map(this.#problems);
    if (load.full) this.#problems.clear();
    for (const entity of load.upserts) this.#problems.delete(referenceKey(referenceOf(entity)));
    for (const reference of load.deletes) this.#problems.delete(referenceKey(reference));
    for (const problem of problems) {
      const key = referenceKey(problem);
      this.#problems.set(key, problem);
      if (before.get(key)?.reason === problem.reason) continue;
      this.#options.log.error(
        { kind: wire.EntityKindSchema.value[problem.kind]?.name, id: problem.id, reason: problem.reason },
        'a row of the configuration cannot be used; its last good version, if any, stays in force',
      );
    }
  }

  #versionOf(position: Position): string {
    return `${position.instanceId}:${position.revision}:${contentMark(this.#options.timeZone, this.#problems, this.#state)}`;
  }

  #publish(snapshot: Snapshot, changed: ReadonlyMap<string, Reference>): void {
    if (snapshot.version === this.#snapshot.version) return;
    this.#snapshot = Object.freeze(snapshot);
    this.#history.push({ version: snapshot.version, changed: [...changed.keys()] });
    if (this.#history.length > historyLength) this.#history.shift();
    this.#options.metrics.published();
    const references = [...changed.values()];
    for (const listener of this.#listeners) listener(references);
  }

  /** @returns keys of everything published after a version; undefined = the history cannot tell */
  #changedSince(knownVersion: string): Set<string> | undefined {
    const at = this.#history.findLastIndex((entry) => entry.version === knownVersion);
    return at < 0 ? undefined : new Set(this.#history.slice(at + 1).flatMap((entry) => entry.changed));
  }

  async #storeKeyHashes({ staleKeyHashes }: ConfigLoad): Promise<void> {
    if (staleKeyHashes.length === 0) return;
    try {
      await storeKeyHashes(this.#options.pool, staleKeyHashes);
    } catch (error) {
      // Another control plane may be doing the same; the next load that meets such a row tries again.
      this.#options.log.warn({ err: error, rows: staleKeyHashes.length }, 'could not store key hashes');
    }
  }
}

function samePosition(left: Position, right: Position | undefined): boolean {
  return right !== undefined && left.instanceId === right.instanceId && left.revision === right.revision;
}

function parseReferenceKey(key: string): Reference {
  const at = key.indexOf('/');
  return { kind: Number(key.slice(0, at)) as wire.EntityKind, id: key.slice(at + 1) };
}
