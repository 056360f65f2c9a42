import { randomUUID } from 'node:crypto';
import {
  channelOptions,
  type Client,
  clientCredentials,
  create,
  createRpcClient,
  LimitsService,
  planeMetadata,
  referenceOf,
  type ReportRequest,
  type ReportResponse,
  type TokenUsage,
  type UsageRecord,
  UsageRecordSchema,
  UsageService,
  wire,
} from '@hub/contract';
import { type Logger, Registry, silentLogger } from '@hub/service';
import { type TestDatabase, testDatabase } from '@hub/testkit';
import { Pool } from 'pg';
import { type PlaneLink, type PlaneLinkOptions, startPlaneLink } from '../../src/link/index.ts';
import { createVault, type Vault } from '../../src/vault.ts';

const token = 'plane-token-of-the-tests';

export interface StartedLink {
  readonly link: PlaneLink;
  readonly pool: Pool;
  readonly metrics: Registry;
  close(): Promise<void>;
}

export interface LinkFixture {
  readonly database: TestDatabase;
  readonly vault: Vault;
  /** One more control plane on the same database. */
  start(overrides?: Partial<PlaneLinkOptions>): Promise<StartedLink>;
  /** Closes everything that was started. */
  close(): Promise<void>;
}

export async function linkFixture(): Promise<LinkFixture> {
  const database = await testDatabase();
  const vault = createVault('sealed', 'a-master-key-for-the-tests');
  const started: StartedLink[] = [];
  return {
    database,
    vault,
    async start(overrides = {}) {
      const pool = new Pool({ connectionString: database.url, max: 8 });
      pool.on('error', () => {});
      const metrics = new Registry();
      const link = await startPlaneLink({
        database: { pool },
        databaseUrl: database.url,
        vault,
        bind: '127.0.0.1',
        grpcPort: 0,
        planeTokens: [token],
        timeZone: 'Asia/Shanghai',
        log: silentLogger,
        metrics,
        ...overrides,
      });
      let closing: Promise<void> | undefined;
      const close = (): Promise<void> => {
        closing ??= link.close().then(() => pool.end());
        return closing;
      };
      const one = { link, pool, metrics, close };
      started.push(one);
      return one;
    },
    async close() {
      await Promise.all(started.map((one) => one.close()));
      await database.drop();
    },
  };
}

/** A log that keeps its lines. */
export function recordingLog(): { log: Logger; lines: { level: string; text: string; fields: Record<string, unknown> }[] } {
  const lines: { level: string; text: string; fields: Record<string, unknown> }[] = [];
  const write =
    (level: string) =>
    (fields: unknown, text?: unknown): void => {
      const hasFields = typeof fields === 'object' && fields !== null;
      lines.push({ level, text: String(hasFields ? text : fields), fields: hasFields ? (fields as Record<string, unknown>) : {} });
    };
  const log: Logger = {
    level: 'debug',
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: () => log,
  };
  return { log, lines };
}

function clientOptions(port: number, presented: string) {
  return { target: `127.0.0.1:${port}`, credentials: clientCredentials(undefined), metadata: () => planeMetadata([presented]), channel: channelOptions };
}

export interface NodeOptions {
  readonly nodeId?: string;
  readonly knownVersion?: string;
  readonly token?: string;
  /** A reason to refuse a version; undefined accepts it. */
  readonly refuse?: (version: string) => string | undefined;
  /** False: never answers. */
  readonly answers?: boolean;
}

/** A data plane as the link sees it: applies what it is sent and answers. */
export class TestNode {
  readonly messages: wire.WatchResponse[] = [];
  readonly entities = new Map<string, wire.Entity>();
  version = '';
  ended: Error | 'end' | undefined;
  readonly #client: Client<typeof wire.ConfigService>;
  readonly #call: ReturnType<Client<typeof wire.ConfigService>['watch']>;
  readonly #options: NodeOptions;
  readonly #waiters = new Set<() => void>();
  #parts: wire.WatchResponse[] = [];

  constructor(port: number, options: NodeOptions = {}) {
    this.#options = options;
    this.#client = createRpcClient(wire.ConfigService, clientOptions(port, options.token ?? token));
    this.#call = this.#client.watch();
    this.version = options.knownVersion ?? '';
    this.#call.on('data', (message: wire.WatchResponse) => this.#receive(message));
    this.#call.on('error', (error) => this.#finish(error));
    this.#call.on('end', () => this.#finish('end'));
    const { nodeId = 'node/0', knownVersion = '' } = options;
    this.#call.write({ message: { case: 'hello', value: { nodeId, softwareVersion: '1.0.0', knownVersion } } });
  }

  /** The entity of this kind and id, if the node has it. */
  get(kind: keyof typeof wire.EntityKind, id: string | number): wire.Entity | undefined {
    return this.entities.get(`${wire.EntityKind[kind]}/${id}`);
  }

  /** Resolves as soon as `reached` holds; it is asked after every complete version and at the end of the stream. */
  async until(what: string, reached: () => boolean, timeoutMs = 10_000): Promise<void> {
    if (reached()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms for ${what}`)), timeoutMs);
      const check = (): void => {
        if (!reached()) return;
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve();
      };
      this.#waiters.add(check);
    });
  }

  untilVersion(version: string): Promise<void> {
    return this.until(`version ${version}`, () => this.version === version);
  }

  ack(version: string): void {
    this.#call.write({ message: { case: 'ack', value: { version } } });
  }

  close(): void {
    this.#call.on('error', () => undefined);
    this.#call.cancel();
    this.#client.close();
  }

  #receive(message: wire.WatchResponse): void {
    this.messages.push(message);
    this.#parts.push(message);
    if (!message.last) return;
    const parts = this.#parts;
    this.#parts = [];
    const { version } = message;
    const reason = this.#options.refuse?.(version);
    if (reason === undefined) {
      if (message.full) this.entities.clear();
      for (const part of parts) this.#apply(part);
      this.version = version;
    }
    this.#wake();
    if (this.#options.answers === false) return;
    if (reason === undefined) this.ack(version);
    else this.#call.write({ message: { case: 'nack', value: { version, servingVersion: this.version, reason } } });
  }

  #apply({ upserts, deletes }: wire.WatchResponse): void {
    for (const { kind, id } of deletes) this.entities.delete(`${kind}/${id}`);
    for (const entity of upserts) {
      const { kind, id } = referenceOf(entity);
      this.entities.set(`${kind}/${id}`, entity);
    }
  }

  #finish(how: Error | 'end'): void {
    this.ended ??= how;
    this.#wake();
  }

  #wake(): void {
    for (const check of this.#waiters) check();
  }
}

/** A data plane's usage stream. */
export class TestReporter {
  ended: Error | undefined;
  readonly #client: Client<typeof UsageService>;
  readonly #call: ReturnType<Client<typeof UsageService>['report']>;
  readonly #waiting = new Map<bigint, { resolve(response: ReportResponse): void; reject(error: Error): void }>();
  #next = 0n;

  constructor(port: number) {
    this.#client = createRpcClient(UsageService, clientOptions(port, token));
    this.#call = this.#client.report();
    this.#call.on('data', (response: ReportResponse) => {
      this.#waiting.get(response.batch)?.resolve(response);
      this.#waiting.delete(response.batch);
    });
    const over = (error: Error): void => {
      this.ended ??= error;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#call.on('error', over);
    this.#call.on('end', () => over(new Error('the stream ended')));
  }

  /** Resolves with the answer; rejects when the stream ends without one. */
  send(records: UsageRecord[], events: ReportRequest['events'] = [], nodeId = 'node/0'): Promise<ReportResponse> {
    const batch = ++this.#next;
    return new Promise((resolve, reject) => {
      this.#waiting.set(batch, { resolve, reject });
      this.#call.write({ batch, nodeId, records, events });
    });
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }
}

export function limitsClient(port: number): Client<typeof LimitsService> {
  return createRpcClient(LimitsService, clientOptions(port, token));
}

type RecordInit = Partial<Omit<UsageRecord, '$typeName' | '$unknown' | 'usage'>> & { usage?: Partial<Omit<TokenUsage, '$typeName' | '$unknown'>> };

/** A record of an ordinary request. */
export function usageRecord(fields: RecordInit = {}): UsageRecord {
  return create(UsageRecordSchema, {
    id: randomUUID(),
    startedAtMs: BigInt(Date.UTC(2026, 10, 24, 10, 7, 0)),
    userId: 1,
    keyId: 1,
    providerId: 1,
    model: 'claude-sonnet-4-5',
    originalModel: 'claude-sonnet-4-5',
    endpoint: '/v1/messages',
    requestSequence: 1,
    statusCode: 200,
    durationMs: 100,
    costUsd: '0.001',
    costMultiplier: '1',
    usage: { input: 10n, output: 20n },
    ...fields,
  });
}

/** Adds a user with a sealed key. */
export async function addUserWithKey({ database, vault }: LinkFixture, key = `sk-${randomUUID().replaceAll('-', '')}`): Promise<{ userId: number; keyId: number; key: string }> {
  const stored = vault.storeKey(key);
  const [user] = await database.query(`INSERT INTO users (name) VALUES ('alice') RETURNING id`);
  const [row] = await database.query(`INSERT INTO keys (user_id, key, key_hash, name) VALUES ($1, $2, $3, 'default') RETURNING id`, [user?.['id'], stored.key, stored.keyHash]);
  return { userId: Number(user?.['id']), keyId: Number(row?.['id']), key };
}

export async function addProvider({ database, vault }: LinkFixture, name = 'main', url = 'https://api.example.com'): Promise<number> {
  const [row] = await database.query('INSERT INTO providers (name, url, key) VALUES ($1, $2, $3) RETURNING id', [name, url, vault.store('sk-upstream-secret', 'provider-key')]);
  return Number(row?.['id']);
}
