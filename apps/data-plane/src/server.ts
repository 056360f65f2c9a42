import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { Clock, Logger } from '@hub/service';
import { BodyProblem, type Exchange, type RequestHeaders, type ResponseHeaders, type Sink } from './exchange.ts';

/** The client's socket: the only file that touches IncomingMessage and ServerResponse. */

export interface ClientServer {
  readonly port: number;
  /** Requests whose answer is not complete. */
  readonly inFlight: number;
  /** Takes no new connections, lets running answers finish for at most `deadlineMs`, then cuts. */
  close(deadlineMs: number): Promise<void>;
}

export interface ClientServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handle: (exchange: Exchange) => Promise<void>;
  /** A WebSocket or other upgrade: the status that refuses it, by path. */
  readonly refuseUpgrade: (path: string) => { status: number; reason: string };
}

/** How much of a body that is too large is read and thrown away so that the client gets to see our answer. */
const discardBytes = 64 * 1024 * 1024;
/** Longer than the idle time of usual load balancers (60 s), so that it is never us who closes first. */
const keepAliveMs = 75_000;

export async function startClientServer(options: ClientServerOptions): Promise<ClientServer> {
  let inFlight = 0;
  let idle: (() => void) | undefined;
  const server = createServer({ keepAliveTimeout: keepAliveMs, headersTimeout: 60_000, requestTimeout: 300_000 }, (request, response) => {
    inFlight++;
    const exchange = new SocketExchange(request, response, options.clock.now());
    response.once('close', () => {
      inFlight--;
      if (inFlight === 0) idle?.();
    });
    options.handle(exchange).catch((error: unknown) => {
      options.log.error({ err: error, path: exchange.path }, 'a request ended in an unexpected error');
      response.destroy();
    });
  });
  server.on('upgrade', (request, socket) => {
    const { status, reason } = options.refuseUpgrade(pathOf(request.url ?? '/').path);
    socket.end(`HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  await listen(server, options.port, options.host);
  return {
    port: (server.address() as AddressInfo).port,
    get inFlight() {
      return inFlight;
    },
    async close(deadlineMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      if (inFlight > 0) {
        let timer: NodeJS.Timeout | undefined;
        await Promise.race([
          new Promise<void>((resolve) => (idle = resolve)),
          new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs))),
        ]);
        clearTimeout(timer);
      }
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function pathOf(url: string): { path: string; search: string } {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const trimmed = path.length > 1 && path.endsWith('/') ? path.replace(/\/+$/, '') || '/' : path;
  return { path: trimmed, search: mark < 0 ? '' : url.slice(mark) };
}

class SocketExchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly headers: RequestHeaders;
  readonly remoteAddress: string;
  readonly arrivedAt: number;
  readonly sink: Sink;
  clientGone = false;
  readonly #request: IncomingMessage;
  #goneListeners: (() => void)[] = [];

  constructor(request: IncomingMessage, response: ServerResponse, arrivedAt: number) {
    const { path, search } = pathOf(request.url ?? '/');
    this.method = request.method ?? 'GET';
    this.path = path;
    this.search = search;
    this.headers = request.headers;
    this.remoteAddress = request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '';
    this.arrivedAt = arrivedAt;
    this.#request = request;
    this.sink = new SocketSink(response);
    response.once('close', () => {
      if (response.writableFinished) return;
      this.clientGone = true;
      for (const listener of this.#goneListeners) listener();
    });
    response.on('error', () => {
      // A write after the client has left; 'close' says all that matters.
    });
  }

  onClientGone(listener: () => void): () => void {
    this.#goneListeners.push(listener);
    return () => {
      this.#goneListeners = this.#goneListeners.filter((candidate) => candidate !== listener);
    };
  }

  async readBody(limit: number): Promise<Buffer> {
    const declared = Number(this.#request.headers['content-length'] ?? 0);
    if (declared > limit) {
      await discard(this.#request);
      throw tooLarge(limit);
    }
    const raw = await collect(this.#request, limit);
    return decode(raw, this.#request.headers['content-encoding'], limit);
  }
}

function collect(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        request.removeAllListeners('data');
        void discard(request).then(() => reject(tooLarge(limit)));
        return;
      }
      chunks.push(chunk);
    });
    request.once('end', () => {
      if (size <= limit) resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size));
    });
    request.once('error', reject);
    request.once('aborted', () => reject(new BodyProblem(400, 'request_body_incomplete', 'The request body ended early.')));
  });
}

/** Reads on without keeping, until the end or until it is too much. */
function discard(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > discardBytes) resolve();
    });
    request.once('end', resolve);
    request.once('close', resolve);
    request.resume();
  });
}

function tooLarge(limit: number): BodyProblem {
  const mebibytes = Math.round((limit / 1024 / 1024) * 10) / 10;
  return new BodyProblem(413, 'request_too_large', `The request body is larger than ${mebibytes} MiB, the most that this hub accepts.`);
}

const decoders: Record<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
};

async function decode(body: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  const name = encoding?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity' || body.length === 0) return body;
  const decoder = decoders[name];
  if (decoder === undefined) {
    throw new BodyProblem(400, 'unsupported_content_encoding', `The request body is encoded as "${name}"; gzip, br and deflate are understood.`);
  }
  try {
    return await decoder(body, { maxOutputLength: limit });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge(limit);
    throw new BodyProblem(400, 'invalid_content_encoding', `The request body is not valid ${name}.`);
  }
}

class SocketSink implements Sink {
  readonly #response: ServerResponse;
  constructor(response: ServerResponse) {
    this.#response = response;
  }
  get started(): boolean {
    return this.#response.headersSent;
  }
  start(status: number, headers: ResponseHeaders): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#response.writeHead(status, headers as Record<string, string | string[]>);
  }
  write(chunk: Uint8Array): boolean {
    if (this.#response.destroyed) return true;
    return this.#response.write(chunk);
  }
  onDrain(listener: () => void): void {
    this.#response.once('drain', listener);
  }
  end(chunk?: Uint8Array | string): void {
    if (!this.#response.destroyed) this.#response.end(chunk);
  }
  destroy(): void {
    this.#response.destroy();
  }
}
