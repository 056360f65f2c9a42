import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, type Logger, Registry, silentLogger, systemClock } from '@hub/service';
import { type TestDatabase, testDatabase } from '@hub/testkit';
import { createApp } from '../src/app.ts';
import { createDatabase } from '../src/db.ts';
import { type LiveState, noLiveState } from '../src/live-state.ts';
import { allOperations } from '../src/operations.ts';
import { createVault } from '../src/vault.ts';

export const adminToken = 'admin-token-0342';

export interface ApiOptions {
  readonly clock?: Clock;
  readonly live?: LiveState;
  readonly secretsAtRest?: 'sealed' | 'plain';
  readonly allowPrivateUpstreams?: boolean;
  readonly adminToken?: string | undefined;
  readonly secureCookies?: boolean;
  /** Default Asia/Shanghai. */
  readonly timeZone?: string;
  /** Instead of a fresh database. */
  readonly database?: TestDatabase;
}

export interface SendOptions {
  /** Default: the admin token; null sends none. */
  readonly token?: string | null;
  /** Default `application/json`; null sends none. */
  readonly contentType?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined if the text is not JSON. */
  readonly body: unknown;
}

/** The management API of a control plane on a port of its own, with a database of its own. */
export interface Api {
  readonly url: string;
  readonly database: TestDatabase;
  /** What was logged as an error, which no test wants unless it says so. */
  readonly errors: unknown[];
  send(method: string, path: string, body?: string, options?: SendOptions): Promise<Answer>;
  /** POST /api/actions/{action}; a body that is no text is sent as JSON. */
  call(action: string, body?: unknown, options?: SendOptions): Promise<Answer>;
  /** The data of a call that has to succeed, checked against the declared output. */
  data(action: string, body?: unknown, options?: SendOptions): Promise<unknown>;
  /** A user with the default key. */
  createUser(fields: Readonly<Record<string, unknown>>): Promise<{ readonly id: number; readonly keyId: number; readonly key: string }>;
  close(): Promise<void>;
}

export async function startApi(options: ApiOptions = {}): Promise<Api> {
  const testBase = options.database ?? (await testDatabase());
  const database = createDatabase({ url: testBase.url, poolMax: 5, log: silentLogger });
  const clock = options.clock ?? systemClock;
  const errors: unknown[] = [];
  const log: Logger = { ...silentLogger, level: 'silent', child: () => log, error: (entry: unknown) => void errors.push(entry) };
  const app = createApp({
    services: {
      database,
      vault: createVault(options.secretsAtRest ?? 'sealed', 'a master key for tests'),
      live: options.live ?? noLiveState,
      clock,
      timeZone: options.timeZone ?? 'Asia/Shanghai',
      allowPrivateUpstreams: options.allowPrivateUpstreams ?? true,
      log,
    },
    metrics: new Registry(),
    adminToken: 'adminToken' in options ? options.adminToken : adminToken,
    secureCookies: options.secureCookies ?? false,
    appUrl: undefined,
    trustedProxies: 0,
  });
  const server = createServer(app);
  // On a busy machine client and server, which share this process, would disagree on when an idle connection has ended.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const outputs = new Map(allOperations(clock).map((operation) => [`${operation.module}/${operation.action}`, operation.output]));

  const send: Api['send'] = async (method, path, body, { token = adminToken, contentType = 'application/json', headers = {} } = {}) => {
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(contentType !== null && { 'content-type': contentType }),
        ...headers,
      },
      // As bytes, because fetch gives text a content type of its own.
      ...(body !== undefined && { body: new TextEncoder().encode(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parse(text) };
  };
  const call: Api['call'] = (action, body = {}, sendOptions) =>
    send('POST', `/api/actions/${action}`, typeof body === 'string' ? body : JSON.stringify(body), sendOptions);
  const data: Api['data'] = async (action, body, sendOptions) => {
    const answer = await call(action, body, sendOptions);
    if (answer.status !== 200) throw new Error(`${action} answered ${answer.status} ${answer.text}`);
    const value = typeof answer.body === 'object' && answer.body !== null && 'data' in answer.body ? answer.body.data : undefined;
    outputs.get(action)?.parse(value);
    return value;
  };
  return {
    url,
    database: testBase,
    errors,
    send,
    call,
    data,
    async createUser(fields) {
      const { user, defaultKey } = (await data('users/addUser', fields)) as { user: { id: number }; defaultKey: { id: number; key: string } };
      return { id: user.id, keyId: defaultKey.id, key: defaultKey.key };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await database.close();
      await testBase.drop();
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
