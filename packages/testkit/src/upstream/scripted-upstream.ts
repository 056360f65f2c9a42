import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deferred } from '../deferred.ts';
import { type Behaviour, cutConnection, deliverWhole, healthy, wasCut } from './behaviour.ts';
import { builtInMode } from './modes.ts';
import { dialectOf, parseJson, type UpstreamRequest } from './request.ts';

/** Full control for what no behaviour covers. An answer that is left open stays open. */
export type Handler = (request: UpstreamRequest, response: ServerResponse) => void | Promise<void>;

/**
 * An LLM provider on a loopback port that does what the test says and remembers what it received. Without a script it
 * gives legal answers in every dialect.
 *
 * A base URL may end in `/t/<mode>`: such requests have a script of their own, so that one server plays many providers.
 * Modes of the well-known names (`fail-529`, `html`, `never`, …) need no script.
 */
export interface ScriptedUpstream {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly requests: readonly UpstreamRequest[];
  /** TCP connections open now. */
  readonly connections: number;
  urlFor(mode: string): string;
  /** For the next request only (of this mode); calls queue up. */
  respond(script: Behaviour | Handler, mode?: string): void;
  /** For every request (of this mode) for which nothing is queued. */
  always(script: Behaviour | Handler, mode?: string): void;
  /** Settles when `count` requests (of this mode) have been received; rejects after `timeoutMs` (unset: 5 s), saying what came. */
  waitForRequests(count: number, options?: { readonly mode?: string; readonly timeoutMs?: number }): Promise<readonly UpstreamRequest[]>;
  /** Forgets requests and scripts; what is being answered goes on. */
  reset(): void;
  /** Cuts everything that is open. */
  close(): Promise<void>;
}

/** @param port unset: any free one */
export async function startUpstream(options: { readonly port?: number } = {}): Promise<ScriptedUpstream> {
  const state = createState();
  const server = createServer((incoming, response) => void receive(state, incoming, response));
  // A test may pause for longer than the usual limits; an idle connection closed by us would look like a provider's fault.
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
  server.on('connection', (socket) => {
    state.connections += 1;
    socket.once('close', () => (state.connections -= 1));
  });
  await listen(server, options.port ?? 0);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests: state.requests,
    get connections() {
      return state.connections;
    },
    urlFor: (mode) => `${url}/t/${mode}`,
    respond: (script, mode = '') => void state.queues.set(mode, [...(state.queues.get(mode) ?? []), script]),
    always: (script, mode = '') => void state.standing.set(mode, script),
    waitForRequests: (count, wait = {}) => waitForRequests(state, count, wait.mode, wait.timeoutMs ?? 5000),
    reset() {
      state.requests.length = 0;
      state.queues.clear();
      state.standing.clear();
    },
    async close() {
      for (const response of state.open) cutConnection(response);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface State {
  readonly requests: UpstreamRequest[];
  /** Scripts by mode; the mode of a URL without one is ''. */
  readonly queues: Map<string, (Behaviour | Handler)[]>;
  readonly standing: Map<string, Behaviour | Handler>;
  readonly open: Set<ServerResponse>;
  readonly watchers: Set<() => void>;
  connections: number;
}

function createState(): State {
  return { requests: [], queues: new Map(), standing: new Map(), open: new Set(), watchers: new Set(), connections: 0 };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

async function receive(state: State, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  state.open.add(response);
  response.once('close', () => state.open.delete(response));
  const body = await readBody(incoming);
  if (body === undefined) return;
  const request = describe(state, incoming, response, body);
  state.requests.push(request);
  const script = takeScript(state, request.mode ?? '');
  for (const check of state.watchers) check();
  try {
    if (typeof script === 'function') return await script(request, response);
    await (script.deliver ?? deliverWhole)(script.answer(request), response, request);
  } catch (error) {
    // A script that throws must be seen: as a status that no provider sends, with the reason.
    if (!response.headersSent) response.writeHead(599, { 'content-type': 'text/plain' });
    response.end(`the test's script failed: ${String(error)}`);
  }
}

/** undefined: the other side left before its request was complete. */
async function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}

function takeScript(state: State, mode: string): Behaviour | Handler {
  return state.queues.get(mode)?.shift() ?? state.standing.get(mode) ?? builtInMode(mode) ?? healthy();
}

function describe(state: State, incoming: IncomingMessage, response: ServerResponse, body: Buffer): UpstreamRequest {
  const url = incoming.url ?? '/';
  const [, mode, rest] = /^\/t\/([^/?]+)(.*)$/s.exec(url) ?? [];
  const path = rest ?? url;
  const text = body.toString('utf8');
  const aborted = deferred();
  const closed = deferred<'answered' | 'aborted' | 'cut'>();
  let isAborted = false;
  response.once('close', () => {
    if (response.writableFinished) return closed.resolve('answered');
    if (wasCut(response)) return closed.resolve('cut');
    isAborted = true;
    aborted.resolve();
    closed.resolve('aborted');
  });
  return {
    number: state.requests.length + 1,
    method: incoming.method ?? '',
    url,
    path,
    mode,
    dialect: dialectOf(path),
    rawHeaders: incoming.rawHeaders,
    headers: incoming.headers,
    body,
    text,
    json: parseJson(text),
    get aborted() {
      return isAborted;
    },
    whenAborted: aborted.promise,
    whenClosed: closed.promise,
  };
}

function waitForRequests(state: State, count: number, mode: string | undefined, timeoutMs: number): Promise<readonly UpstreamRequest[]> {
  const matching = () => state.requests.filter((request) => mode === undefined || request.mode === mode);
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      state.watchers.delete(check);
    };
    const check = (): void => {
      const found = matching();
      if (found.length < count) return;
      finish();
      resolve(found);
    };
    const timer = setTimeout(() => {
      finish();
      const seen = state.requests.map((request) => `${request.method} ${request.url}`).join(', ');
      reject(new Error(`waited ${timeoutMs} ms for ${count} requests${mode === undefined ? '' : ` of /t/${mode}`}, came: ${seen || 'none'}`));
    }, timeoutMs);
    state.watchers.add(check);
    check();
  });
}
