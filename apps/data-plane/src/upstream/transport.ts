import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { socksDispatcher } from 'fetch-socks';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { isPrivateAddress } from './private-address.ts';

/** The upstream's socket: the only file that touches undici. */

export interface UpstreamRequest {
  readonly method: string;
  readonly origin: string;
  readonly path: string;
  /** name, value, name, value … */
  readonly headers: string[];
  readonly body: Buffer | undefined;
}

export interface Route {
  /** http, https, socks4 or socks5 URL; undefined = direct. */
  readonly proxyUrl: string | undefined;
  readonly http2: boolean;
}

export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What comes back, in this order: head, data…, then end or error, once. Nothing comes after `abort`. */
export interface UpstreamListener {
  onHead(status: number, headers: UpstreamHeaders): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
}

export interface UpstreamCall {
  /** Stops reading: the upstream feels it through TCP. */
  pause(): void;
  resume(): void;
  abort(): void;
}

export interface TransportOptions {
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Whether providers may live on private and loopback addresses. */
  readonly allowPrivate: boolean;
}

export interface Transport {
  send(request: UpstreamRequest, route: Route, listener: UpstreamListener): UpstreamCall;
  /** Waits for running exchanges, then closes all sockets. */
  close(): Promise<void>;
}

/** How long an idle upstream connection is kept; below the 60 s of usual load balancers. ms */
const idleMs = 30_000;

export function createTransport(options: TransportOptions): Transport {
  const dispatchers = new Map<string, Dispatcher>();
  const dispatcherFor = (route: Route): Dispatcher => {
    const name = `${route.proxyUrl ?? ''} ${route.http2}`;
    let dispatcher = dispatchers.get(name);
    if (dispatcher === undefined) {
      dispatcher = createDispatcher(route, options);
      dispatchers.set(name, dispatcher);
    }
    return dispatcher;
  };
  return {
    send(request, route, listener) {
      const call = new Call(listener);
      try {
        if (!options.allowPrivate && route.proxyUrl === undefined) refusePrivateLiteral(request.origin);
        dispatcherFor(route).dispatch(
          { method: request.method, origin: request.origin, path: request.path, headers: request.headers, body: request.body ?? null },
          call,
        );
      } catch (error) {
        call.fail(error);
      }
      return call;
    },
    async close() {
      await Promise.allSettled([...dispatchers.values()].map((dispatcher) => dispatcher.close()));
    },
  };
}

function createDispatcher(route: Route, options: TransportOptions): Dispatcher {
  const timeouts = {
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.bodyTimeoutMs,
    keepAliveTimeout: idleMs,
    allowH2: route.http2,
  };
  const connect = { timeout: options.connectTimeoutMs, ...(options.allowPrivate ? {} : { lookup: publicLookup }) };
  if (route.proxyUrl === undefined) return new Agent({ ...timeouts, connect });
  const proxy = new URL(route.proxyUrl);
  if (proxy.protocol === 'socks5:' || proxy.protocol === 'socks4:') {
    return socksDispatcher(
      {
        type: proxy.protocol === 'socks5:' ? 5 : 4,
        host: proxy.hostname,
        port: Number(proxy.port || 1080),
        ...(proxy.username === '' ? {} : { userId: decodeURIComponent(proxy.username), password: decodeURIComponent(proxy.password) }),
      },
      { headersTimeout: options.headersTimeoutMs, bodyTimeout: options.bodyTimeoutMs, keepAliveTimeout: idleMs, connect: { timeout: options.connectTimeoutMs } },
    ) as unknown as Dispatcher;
  }
  return new ProxyAgent({ ...timeouts, uri: route.proxyUrl, connectTimeout: options.connectTimeoutMs });
}

/** An address instead of a name is never looked up, so it is judged here. */
function refusePrivateLiteral(origin: string): void {
  const host = new URL(origin).hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && isPrivateAddress(host)) throw privateAddressError(host);
}

function privateAddressError(host: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${host} is a private address (allowed with ALLOW_PRIVATE_UPSTREAMS=1)`);
  error.code = 'EPRIVATE';
  return error;
}

/** Name resolution that refuses private addresses at the moment of connecting, so that a name cannot change its mind. */
const publicLookup: LookupFunction = (hostname, lookupOptions, callback) => {
  lookup(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    const allowed = addresses.filter(({ address }) => !isPrivateAddress(address));
    const [first] = allowed;
    if (first === undefined) return callback(privateAddressError(hostname), '');
    if (lookupOptions.all === true) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};

/** undici's handler for one exchange; undoes a content-encoding that came although we asked for none. */
class Call implements Dispatcher.DispatchHandler, UpstreamCall {
  readonly #listener: UpstreamListener;
  #controller: Dispatcher.DispatchController | undefined;
  #decoder: ReturnType<typeof createDecoder>;
  #aborted = false;
  #done = false;
  #paused = false;

  constructor(listener: UpstreamListener) {
    this.#listener = listener;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) controller.abort(new Error('aborted'));
    else if (this.#paused) controller.pause();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders): void {
    if (status < 200 || this.#aborted) return;
    this.#decoder = createDecoder(headers['content-encoding']);
    if (this.#decoder !== undefined) {
      this.#decoder.on('data', (chunk: Buffer) => this.#data(chunk));
      this.#decoder.on('end', () => this.#end());
      this.#decoder.on('error', (error) => this.fail(error));
    }
    const plain = this.#decoder === undefined ? headers : { ...headers, 'content-encoding': undefined, 'content-length': undefined };
    this.#listener.onHead(status, plain);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#decoder === undefined) return this.#data(chunk);
    if (this.#decoder.write(chunk)) return;
    controller.pause();
    this.#decoder.once('drain', () => {
      if (!this.#paused) controller.resume();
    });
  }

  onResponseEnd(): void {
    if (this.#decoder === undefined) this.#end();
    else this.#decoder.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  fail(error: unknown): void {
    if (this.#done || this.#aborted) return;
    this.#done = true;
    this.#listener.onError(error instanceof Error ? error : new Error(String(error)));
  }

  pause(): void {
    this.#paused = true;
    this.#decoder?.pause();
    this.#controller?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#decoder?.resume();
    this.#controller?.resume();
  }

  abort(): void {
    if (this.#aborted || this.#done) return;
    this.#aborted = true;
    this.#controller?.abort(new Error('aborted'));
    this.#decoder?.destroy();
  }

  #data(chunk: Buffer): void {
    if (!this.#aborted) this.#listener.onData(chunk);
  }

  #end(): void {
    if (this.#done || this.#aborted) return;
    this.#done = true;
    this.#listener.onEnd();
  }
}

function createDecoder(encoding: string | string[] | undefined) {
  switch (typeof encoding === 'string' ? encoding.trim().toLowerCase() : '') {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'br':
      return createBrotliDecompress();
    case 'deflate':
      return createInflate();
    default:
      return undefined;
  }
}
