import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../eventually.ts';
import { type TestDatabase, testDatabase } from '../postgres.ts';
import { type ScriptedUpstream, startUpstream } from '../upstream/scripted-upstream.ts';
import { callAction, type RawAnswer, runAction } from './admin-client.ts';
import { waitUntilInForce } from './in-force.ts';
import { PlaneProcess } from './plane-process.ts';

export interface HubOptions {
  /** For both planes, over what the testkit sets; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Unset: 1. With 0 there is the control plane alone. */
  readonly dataPlanes?: number;
  /** Unset: one of its own, closed by `stop`. */
  readonly upstream?: ScriptedUpstream;
  /** Unset: no Redis, limits are each data plane's own. */
  readonly redis?: { readonly url: string };
  /** Unset: a fresh one, dropped by `stop`. */
  readonly database?: TestDatabase;
}

/** `data-plane` is the first, then `data-plane-2`, … */
export type PlaneName = 'control-plane' | 'data-plane' | `data-plane-${number}`;

export interface CreatedUser {
  readonly id: number;
  readonly name: string;
  /** Of the key that every user is born with. */
  readonly key: string;
  readonly keyId: number;
}

export interface CreatedKey {
  readonly id: number;
  readonly name: string;
  readonly key: string;
}

export interface CreatedProvider {
  readonly id: number;
  readonly name: string;
}

/** A row of message_request; 8-byte integers are numbers, money is text. */
export type MessageRow = Readonly<Record<string, unknown>>;

export interface SendOptions {
  /** Sent as `Authorization: Bearer`. */
  readonly key?: string;
  /** Unset: POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Which data plane; unset: the first. */
  readonly dataPlane?: number;
}

/** Both planes as the processes that production runs, with everything around them. */
export interface Hub {
  readonly dataPlaneUrl: string;
  readonly dataPlaneUrls: readonly string[];
  readonly controlPlaneUrl: string;
  readonly adminToken: string;
  readonly database: TestDatabase;
  readonly upstream: ScriptedUpstream;
  readonly controlPlane: PlaneProcess;
  readonly dataPlanes: readonly PlaneProcess[];
  /** Runs `module/action` as admin; the answer's `data`, or an ActionError with the body. Does not wait for data planes. */
  admin<T = unknown>(action: string, input?: unknown): Promise<T>;
  adminRaw(action: string, init?: RequestInit): Promise<RawAnswer>;
  /** As `admin`, and waits until it is in force. */
  change<T = unknown>(action: string, input?: unknown): Promise<T>;
  /** Waits until every running data plane serves what is in the database now, however it got there. */
  inForce(): Promise<void>;
  /** The shortcuts fill in what is not given (a name of its own, the scripted upstream, a provider key) and wait until it is in force. */
  createUser(input?: Readonly<Record<string, unknown>>): Promise<CreatedUser>;
  createKey(input: Readonly<Record<string, unknown>> & { readonly userId: number }): Promise<CreatedKey>;
  createProvider(input?: Readonly<Record<string, unknown>>): Promise<CreatedProvider>;
  /** @param prices USD per token by model, as in a LiteLLM table; `mode` is filled in */
  setPrices(prices: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<void>;
  /** A request of a client. */
  send(path: string, body?: unknown, options?: SendOptions): Promise<Response>;
  rows(): Promise<MessageRow[]>;
  /** Settles when there are at least `count` rows, with all of them; rejects after `timeoutMs` (unset: 20 s). */
  waitForRows(count: number, timeoutMs?: number): Promise<MessageRow[]>;
  kill(plane: PlaneName, signal?: NodeJS.Signals): Promise<void>;
  /**
   * Starts it again, orderly if it still runs: same ports, same data folder. A data plane may begin with an older snapshot
   * from its disk; with a control plane to ask, this waits until it serves the newest.
   */
  restart(plane: PlaneName): Promise<void>;
  logs(plane: PlaneName): readonly string[];
  stop(): Promise<void>;
}

const entries = {
  controlPlane: fileURLToPath(new URL('../../../../apps/control-plane/dist/main.js', import.meta.url)),
  dataPlane: fileURLToPath(new URL('../../../../apps/data-plane/dist/main.js', import.meta.url)),
};

/** Everything that `stop` has to undo, in the order in which it was opened. */
type Undo = () => Promise<unknown>;

/** Boots a hub: a fresh database, the control plane, then the data planes. Some two seconds. */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const undo: Undo[] = [];
  const stop = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const step of undo.splice(0).toReversed()) {
      // One thing that can't be closed must not leave the others open.
      await step().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'the hub did not end cleanly');
  };
  try {
    return await boot(options, undo, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function boot(options: HubOptions, undo: Undo[], stop: () => Promise<void>): Promise<Hub> {
  const folder = mkdtempSync(join(tmpdir(), 'hub-test-'));
  undo.push(async () => rmSync(folder, { recursive: true, force: true }));
  const database = options.database ?? (await testDatabase());
  if (options.database === undefined) undo.push(() => database.drop());
  const upstream = options.upstream ?? (await startUpstream());
  if (options.upstream === undefined) undo.push(() => upstream.close());
  const adminToken = randomBytes(16).toString('hex');
  const env = environmentOf(options, database, adminToken);
  const controlPlane = controlPlaneOf(folder, env);
  undo.push(() => controlPlane.stop());
  await controlPlane.start();
  const dataPlanes = Array.from({ length: options.dataPlanes ?? 1 }, (_, index) => dataPlaneOf(folder, env, controlPlane, index));
  undo.push(() => Promise.all(dataPlanes.map((plane) => plane.stop())));
  await Promise.all(dataPlanes.map((plane) => plane.start()));
  return describeHub({ database, upstream, adminToken, controlPlane, dataPlanes }, stop);
}

type Environment = Readonly<Record<string, string | undefined>>;

function environmentOf(options: HubOptions, database: TestDatabase, adminToken: string): Environment {
  return {
    DATABASE_URL: database.url,
    REDIS_URL: options.redis?.url,
    ADMIN_TOKEN: adminToken,
    HUB_MASTER_KEY: randomBytes(32).toString('base64'),
    PLANE_TOKEN: randomBytes(16).toString('hex'),
    HUB_BIND: '127.0.0.1',
    ALLOW_PRIVATE_UPSTREAMS: '1',
    // A test that leaves a stream open must not hold up its own end.
    HUB_DRAIN_TIMEOUT_MS: '1000',
    LOG_LEVEL: 'info',
    ...options.env,
  };
}

function controlPlaneOf(folder: string, env: Environment): PlaneProcess {
  return new PlaneProcess({
    name: 'control-plane',
    entry: entries.controlPlane,
    cwd: folder,
    env: { ...env, HUB_DATA_DIR: dataFolder(folder, 'control-plane') },
    portVariables: { http: 'CONTROL_PLANE_PORT', grpc: 'CONTROL_PLANE_GRPC_PORT', ops: 'CONTROL_PLANE_OPS_PORT' },
  });
}

function dataPlaneOf(folder: string, env: Environment, controlPlane: PlaneProcess, index: number): PlaneProcess {
  const name = dataPlaneName(index);
  // It has no business with the database or the admin token; what it is not given it cannot use.
  const own = { ...env, DATABASE_URL: undefined, ADMIN_TOKEN: undefined };
  return new PlaneProcess({
    name,
    entry: entries.dataPlane,
    cwd: folder,
    env: { CONTROL_PLANE_GRPC_URL: `127.0.0.1:${controlPlane.ports['grpc']}`, HUB_NODE_NAME: name, ...own, HUB_DATA_DIR: dataFolder(folder, name) },
    portVariables: { http: 'DATA_PLANE_PORT', ops: 'DATA_PLANE_OPS_PORT' },
  });
}

function dataFolder(folder: string, plane: string): string {
  const path = join(folder, plane);
  mkdirSync(path, { mode: 0o700 });
  return path;
}

function dataPlaneName(index: number): PlaneName {
  return index === 0 ? 'data-plane' : `data-plane-${index + 1}`;
}

type Parts = Pick<Hub, 'database' | 'upstream' | 'adminToken' | 'controlPlane' | 'dataPlanes'>;

function describeHub(parts: Parts, stop: () => Promise<void>): Hub {
  const { database, adminToken, controlPlane, dataPlanes } = parts;
  const controlPlaneUrl = httpUrl(controlPlane);
  const dataPlaneUrls = dataPlanes.map(httpUrl);
  const admin = <T>(action: string, input: unknown = {}) => runAction(controlPlaneUrl, adminToken, action, input) as Promise<T>;
  const inForce = () => waitUntilInForce(database, dataPlanes);
  const change = async <T>(action: string, input: unknown = {}): Promise<T> => {
    const data = await admin<T>(action, input);
    await inForce();
    return data;
  };
  const plane = (name: PlaneName): PlaneProcess => {
    const found = [controlPlane, ...dataPlanes].find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`this hub has no ${name}`);
    return found;
  };
  return {
    ...parts,
    controlPlaneUrl,
    dataPlaneUrl: dataPlaneUrls[0] ?? '',
    dataPlaneUrls,
    admin,
    adminRaw: (action, init) => callAction(controlPlaneUrl, adminToken, action, init),
    change,
    inForce,
    ...shortcuts(parts, change, admin),
    send: (path, body, options = {}) => sendTo(dataPlaneUrls[options.dataPlane ?? 0] ?? '', path, body, options),
    ...rowsOf(database),
    kill: async (name, signal) => void (await plane(name).kill(signal)),
    async restart(name) {
      const restarted = plane(name);
      await restarted.restart();
      if (restarted !== controlPlane && controlPlane.running && !controlPlane.frozen) await waitUntilInForce(database, [restarted]);
    },
    logs: (name) => plane(name).logs,
    stop,
  };
}

function httpUrl(plane: PlaneProcess): string {
  return `http://127.0.0.1:${plane.ports['http']}`;
}

let lastName = 0;

function newName(kind: string): string {
  lastName += 1;
  return `${kind}-${lastName}`;
}

function shortcuts({ upstream }: Parts, change: Hub['change'], admin: Hub['admin']): Pick<Hub, 'createUser' | 'createKey' | 'createProvider' | 'setPrices'> {
  return {
    async createUser(input = {}) {
      const name = newName('user');
      const { user, defaultKey } = await change<{ user: { id: number; name: string }; defaultKey: { id: number; key: string } }>('users/addUser', { name, ...input });
      return { id: user.id, name: user.name, key: defaultKey.key, keyId: defaultKey.id };
    },
    async createKey(input) {
      const made = await change<{ generatedKey: string; name: string }>('keys/addKey', { name: newName('key'), ...input });
      // The answer carries no id.
      const keys = await admin<{ id: number; name: string; key: string }[]>('keys/getKeys', { userId: input.userId });
      const id = keys.find((candidate) => candidate.key === made.generatedKey)?.id;
      if (id === undefined) throw new Error(`the new key ${made.name} is not among the keys of user ${input.userId}`);
      return { id, name: made.name, key: made.generatedKey };
    },
    async createProvider(input = {}) {
      const name = typeof input['name'] === 'string' ? input['name'] : newName('provider');
      await change('providers/addProvider', { url: upstream.url, key: 'sk-upstream-0123456789abcdef', ...input, name });
      // The answer carries no id; newest first, so that a name used twice means the new one.
      const providers = await admin<{ id: number; name: string }[]>('providers/getProviders');
      const id = Math.max(...providers.filter((candidate) => candidate.name === name).map((candidate) => candidate.id));
      return { id, name };
    },
    async setPrices(prices) {
      const table = Object.fromEntries(Object.entries(prices).map(([model, price]) => [model, { mode: 'chat', ...price }]));
      await change('model-prices/uploadPriceTable', { jsonContent: JSON.stringify(table) });
    },
  };
}

function sendTo(url: string, path: string, body: unknown, { key, method = 'POST', headers = {}, signal }: SendOptions): Promise<Response> {
  const credential: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const content: RequestInit = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  return fetch(`${url}${path}`, { method, headers: { 'content-type': 'application/json', ...credential, ...headers }, ...content, ...(signal === undefined ? {} : { signal }) });
}

function rowsOf(database: TestDatabase): Pick<Hub, 'rows' | 'waitForRows'> {
  const rows = () => database.query('SELECT * FROM message_request ORDER BY id');
  return {
    rows,
    waitForRows(count, timeoutMs = 20_000) {
      let found: MessageRow[] = [];
      return eventually(
        () => `${count} rows in message_request, there are ${found.length}`,
        async () => {
          found = await rows();
          return found.length >= count ? [...found] : undefined;
        },
        { timeoutMs, intervalMs: 20 },
      );
    },
  };
}
