import { type Client, compile, emptySnapshot, referenceOf, type Snapshot, type SnapshotProblem, toBinary, wire } from '@hub/contract';
import { type Backoff, backoff, type Logger } from '@hub/service';
import type { SnapshotFile } from './snapshot-file.ts';

/** Follows the configuration: what the control plane sends is compiled, swapped in whole, kept on disk and acknowledged. */
export interface ConfigClient {
  /** undefined: nothing is known yet, neither from disk nor from the control plane. */
  readonly snapshot: Snapshot | undefined;
  /**
   * Resolves as soon as there is a snapshot that the control plane has confirmed; a snapshot from disk alone is good
   * enough once the control plane has been silent for `graceMs`.
   */
  ready(graceMs: number): Promise<void>;
  readonly connected: boolean;
  /** The configuration in force is not on disk yet. */
  readonly unsaved: boolean;
  /** Epoch ms of the last word from the control plane; 0 = never. */
  readonly confirmedAt: number;
  close(): Promise<void>;
}

export interface ConfigClientOptions {
  readonly client: Client<typeof wire.ConfigService>;
  readonly nodeId: string;
  readonly softwareVersion: string;
  readonly file: SnapshotFile;
  readonly log: Logger;
  readonly now: () => number;
  readonly onSwap?: (snapshot: Snapshot) => void;
}

type Stream = ReturnType<Client<typeof wire.ConfigService>['watch']>;

export async function startConfigClient(options: ConfigClientOptions): Promise<ConfigClient> {
  const client = new WatchingClient(options);
  await client.loadFromDisk();
  client.connect();
  return client;
}

class WatchingClient implements ConfigClient {
  snapshot: Snapshot | undefined;
  connected = false;
  confirmedAt = 0;
  readonly #options: ConfigClientOptions;
  readonly #backoff: Backoff = backoff(100, 5000);
  /** Every entity as it came, to be written to disk and to build on. */
  #entities = new Map<string, Uint8Array>();
  #batches: wire.WatchResponse[] = [];
  #stream: Stream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(options: ConfigClientOptions) {
    this.#options = options;
  }

  get unsaved(): boolean {
    return this.#options.file.unsaved;
  }

  async ready(graceMs: number): Promise<void> {
    if (this.snapshot !== undefined && this.confirmedAt > 0) return;
    const confirmed = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.snapshot === undefined) return confirmed;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([confirmed, new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)))]);
    clearTimeout(timer);
  }

  async loadFromDisk(): Promise<void> {
    const stored = await this.#options.file.read();
    if (stored === undefined) return;
    const { snapshot, problems } = compile(emptySnapshot, { version: stored.version, full: true, upserts: stored.entities, deletes: [] });
    if (problems.length > 0) {
      this.#options.log.warn({ problems: problems.slice(0, 10) }, 'the snapshot on disk does not fit this version; waiting for the control plane');
      return;
    }
    for (const entity of stored.entities) this.#keep(entity);
    this.#swap(snapshot);
    this.#options.log.info({ version: stored.version }, 'serving the last good snapshot from disk until the control plane answers');
  }

  connect(): void {
    if (this.#closed) return;
    this.#batches = [];
    const stream = this.#options.client.watch();
    this.#stream = stream;
    stream.on('data', (message: wire.WatchResponse) => this.#receive(stream, message));
    const lost = (error?: Error) => {
      if (stream === this.#stream) this.#reconnect(error);
    };
    stream.on('error', lost);
    stream.on('end', () => lost());
    stream.write({
      message: {
        case: 'hello',
        value: { nodeId: this.#options.nodeId, softwareVersion: this.#options.softwareVersion, knownVersion: this.snapshot?.version ?? '' },
      },
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    await this.#options.file.settled();
  }

  #reconnect(error: Error | undefined): void {
    this.#stream = undefined;
    if (this.#closed) return;
    if (this.connected || this.snapshot === undefined) {
      this.#options.log.warn({ reason: error?.message }, 'no connection to the control plane; trying again');
    }
    this.connected = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), this.#backoff.next());
  }

  #receive(stream: Stream, message: wire.WatchResponse): void {
    this.connected = true;
    this.confirmedAt = this.#options.now();
    this.#backoff.reset();
    this.#batches.push(message);
    if (!message.last) return;
    const batches = this.#batches;
    this.#batches = [];
    const reason = message.version === this.snapshot?.version && !message.full ? undefined : this.#apply(batches, message.version);
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (reason === undefined) {
      stream.write({ message: { case: 'ack', value: { version: message.version } } });
      return;
    }
    this.#options.log.error({ version: message.version, reason }, 'this configuration cannot be used; going on with the last good one');
    stream.write({
      message: { case: 'nack', value: { version: message.version, servingVersion: this.snapshot?.version ?? '', reason } },
    });
  }

  /** @returns why the update cannot be used, or undefined once it is in force */
  #apply(batches: readonly wire.WatchResponse[], version: string): string | undefined {
    const [first] = batches;
    const full = first?.full === true;
    if (!full && first?.baseVersion !== this.snapshot?.version) {
      return `a delta on version "${first?.baseVersion}" does not fit version "${this.snapshot?.version ?? ''}"`;
    }
    const upserts = batches.flatMap((batch) => batch.upserts);
    const deletes = batches.flatMap((batch) => batch.deletes);
    const { snapshot, problems } = compile(this.snapshot ?? emptySnapshot, { version, full, upserts, deletes });
    if (problems.length > 0) return explain(problems);
    if (full) this.#entities = new Map();
    for (const reference of deletes) this.#entities.delete(`${reference.kind}/${reference.id}`);
    for (const entity of upserts) this.#keep(entity);
    this.#swap(snapshot);
    this.#options.file.write(version, this.#entities.values());
    return undefined;
  }

  #keep(entity: wire.Entity): void {
    const { kind, id } = referenceOf(entity);
    this.#entities.set(`${kind}/${id}`, toBinary(wire.EntitySchema, entity));
  }

  #swap(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.#options.onSwap?.(snapshot);
  }
}

function explain(problems: readonly SnapshotProblem[]): string {
  const nameOf = (kind: number) => Object.entries(wire.EntityKind).find(([, value]) => value === kind)?.[0] ?? String(kind);
  const listed = problems.slice(0, 5).map(({ kind, id, reason }) => `${nameOf(kind)} ${id}: ${reason}`);
  return listed.join('; ') + (problems.length > 5 ? `; and ${problems.length - 5} more` : '');
}
