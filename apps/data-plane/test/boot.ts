import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  channelOptions,
  create,
  LimitsService,
  type NodeEvent,
  type ReportRequest,
  serve,
  type UsageRecord,
  UsageService,
  wire,
} from '@hub/contract';
import { hashKey, silentLogger, systemClock } from '@hub/service';
import { eventually } from '@hub/testkit';
import * as grpc from '@grpc/grpc-js';
import { readEnv } from '../src/env.ts';
import { createGateway, type Gateway } from '../src/gateway.ts';
import { handle } from '../src/handle.ts';
import { type ClientServer, startClientServer } from '../src/server.ts';

/** A gateway in this process, on real sockets, against a control plane that says what the test wants and keeps what it hears. */

export interface TestControlPlane {
  readonly address: string;
  readonly records: UsageRecord[];
  readonly events: NodeEvent[];
  readonly nacks: wire.Nack[];
  readonly acks: string[];
  /** Sends a full snapshot to whoever watches and to whoever comes; returns its version. */
  publish(entities: readonly wire.Entity['entity'][]): string;
  /** Settles when a node has said that it serves this version. */
  waitForAck(version: string): Promise<void>;
  /** Sends a delta as it stands. */
  send(message: Parameters<typeof create<typeof wire.WatchResponseSchema>>[1]): void;
  /** What Warm answers, by `<SubjectKind>/<id>`; nano-dollars. */
  readonly spent: Map<string, bigint>;
  /** What Report does with the next batches. */
  reportMode: 'ack' | 'silent' | 'fail';
  waitForRecords(count: number): Promise<readonly UsageRecord[]>;
  /** The first record that fits: those of earlier requests may still be on their way. */
  recordWhere(fits: (record: UsageRecord) => boolean): Promise<UsageRecord>;
  stop(): Promise<void>;
}

export async function startControlPlane(port = 0): Promise<TestControlPlane> {
  const server = new grpc.Server(channelOptions);
  const watchers = new Set<grpc.ServerDuplexStream<wire.WatchRequest, object>>();
  const byId = new Map<string, UsageRecord>();
  let current: { version: string; entities: wire.Entity[] } | undefined;
  let versions = 0;
  const plane = {
    records: [] as UsageRecord[],
    events: [] as NodeEvent[],
    nacks: [] as wire.Nack[],
    acks: [] as string[],
    spent: new Map<string, bigint>(),
    reportMode: 'ack' as TestControlPlane['reportMode'],
  };
  const full = () => ({ version: current?.version ?? '', full: true, upserts: current?.entities ?? [], deletes: [], last: true });
  serve(
    server,
    wire.ConfigService,
    {
      watch(call) {
        call.on('data', (request: wire.WatchRequest) => {
          const { message } = request;
          if (message.case === 'hello') {
            watchers.add(call);
            if (current !== undefined && message.value.knownVersion !== current.version) call.write(full());
          } else if (message.case === 'ack') plane.acks.push(message.value.version);
          else if (message.case === 'nack') plane.nacks.push(message.value);
        });
        call.on('cancelled', () => watchers.delete(call));
        call.on('error', () => watchers.delete(call));
      },
    },
    () => undefined,
  );
  serve(
    server,
    LimitsService,
    {
      async warm({ queries }) {
        const now = BigInt(Date.now());
        const answers = queries.map(({ kind, id, bucketMs }) => {
          const nanos = plane.spent.get(`${kind}/${id}`) ?? 0n;
          // Of a rolling window: all of it just now.
          return { totalNanos: nanos, buckets: bucketMs > 0n && nanos > 0n ? [{ startMs: now - (now % bucketMs), nanos }] : [] };
        });
        return { answers, recent: [] };
      },
    },
    () => undefined,
  );
  serve(
    server,
    UsageService,
    {
      report(call) {
        call.on('error', () => undefined);
        call.on('data', (request: ReportRequest) => {
          if (plane.reportMode === 'fail') return call.emit('error', { code: grpc.status.UNAVAILABLE, details: 'scripted' });
          if (plane.reportMode === 'silent') return;
          plane.events.push(...request.events);
          for (const record of request.records) {
            if (!byId.has(record.id)) plane.records.push(record);
            byId.set(record.id, record);
          }
          call.write({ batch: request.batch, rejected: [] });
        });
      },
    },
    () => undefined,
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, actual) => (error ? reject(error) : resolve(actual)));
  });
  return Object.assign(plane, {
    address: `127.0.0.1:${bound}`,
    publish(entities: readonly wire.Entity['entity'][]) {
      const version = `v${++versions}`;
      current = { version, entities: entities.map((entity) => create(wire.EntitySchema, { entity })) };
      for (const watcher of watchers) watcher.write(full());
      return version;
    },
    async waitForAck(version: string) {
      await eventually(
        () => `the ack of ${version}`,
        async () => plane.acks.includes(version) || undefined,
      );
    },
    send(message: object) {
      for (const watcher of watchers) watcher.write(message);
    },
    async waitForRecords(count: number) {
      await eventually(
        () => `${count} usage records (${plane.records.length} came)`,
        async () => plane.records.length >= count || undefined,
      );
      return plane.records;
    },
    recordWhere(fits: (record: UsageRecord) => boolean) {
      return eventually(
        () => `a record that fits (${plane.records.length} came)`,
        async () => plane.records.find(fits),
      );
    },
    async stop() {
      server.forceShutdown();
    },
  });
}

export interface TestGateway {
  readonly url: string;
  readonly gateway: Gateway;
  readonly server: ClientServer;
  readonly dataDir: string;
  stop(): Promise<void>;
  /** As if killed: nothing is flushed, nothing is released. */
  abandon(): void;
}

export async function startGateway(
  controlPlane: { readonly address: string },
  options: { env?: Record<string, string | undefined>; dataDir?: string; waitForConfig?: boolean } = {},
): Promise<TestGateway> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'hub-dp-'));
  const env = readEnv({
    PLANE_TOKEN: 'plane-token-of-the-tests',
    CONTROL_PLANE_GRPC_URL: controlPlane.address,
    HUB_DATA_DIR: dataDir,
    HUB_BIND: '127.0.0.1',
    ALLOW_PRIVATE_UPSTREAMS: '1',
    ...options.env,
  });
  let inFlight = () => 0;
  const gateway = await createGateway({ env, log: silentLogger, clock: systemClock, inFlight: () => inFlight() });
  const server = await startClientServer({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    log: silentLogger,
    handle: (exchange) => handle(exchange, gateway),
    refuseUpgrade: () => ({ status: 426, reason: 'Upgrade Required' }),
  });
  inFlight = () => server.inFlight;
  if (options.waitForConfig !== false) await gateway.config.ready(200);
  return {
    url: `http://127.0.0.1:${server.port}`,
    gateway,
    server,
    dataDir,
    async stop() {
      await server.close(1000);
      await gateway.close(2000);
    },
    abandon() {
      void server.close(0);
      gateway.shipper.close();
      void gateway.config.close();
    },
  };
}

/** The fields of a message, without what makes it one. */
export type Fields<M> = Omit<Partial<M>, '$typeName' | '$unknown'>;

export const testKey = 'sk-0123456789abcdef0123456789abcdef';

export function user(init: Fields<wire.User> = {}): wire.Entity['entity'] {
  return { case: 'user', value: create(wire.UserSchema, { id: 1, name: 'ada', enabled: true, ...init }) };
}

export function key(init: Fields<wire.Key> = {}, text: string = testKey): wire.Entity['entity'] {
  return { case: 'key', value: create(wire.KeySchema, { id: 1, userId: 1, name: 'default', enabled: true, sha256: hashKey(text), ...init }) };
}

export function provider(init: Fields<wire.Provider> & { url: string }): wire.Entity['entity'] {
  const defaults = {
    id: 1,
    name: 'p1',
    apiKey: 'sk-upstream-secret-1',
    enabled: true,
    weight: 1,
    providerType: 'claude',
    breakerFailureThreshold: 5,
    breakerOpenMs: 1_800_000,
    breakerHalfOpenSuccesses: 2,
  };
  return { case: 'provider', value: create(wire.ProviderSchema, { ...defaults, ...init }) };
}

export function settings(init: Fields<wire.Settings> = {}): wire.Entity['entity'] {
  return { case: 'settings', value: create(wire.SettingsSchema, { enableFormatConversion: true, ...init }) };
}

export function price(model: string, fields: Record<string, unknown>): wire.Entity['entity'] {
  return { case: 'price', value: create(wire.ModelPriceSchema, { model, priceJson: JSON.stringify({ mode: 'chat', ...fields }) }) };
}

export function messages(url: string, init: { body?: Record<string, unknown>; headers?: Record<string, string>; path?: string; signal?: AbortSignal } = {}): Promise<Response> {
  return fetch(url + (init.path ?? '/v1/messages'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': testKey, 'anthropic-version': '2023-06-01', 'user-agent': 'claude-cli/2.0.14 (external, cli)', ...init.headers },
    body: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 64, messages: [{ role: 'user', content: 'hello there' }], ...init.body }),
    ...(init.signal && { signal: init.signal }),
  });
}
