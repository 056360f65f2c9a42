import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, type Dispatcher } from 'undici';
import { announcePort } from './announce-port.ts';
import { bareProxyUpstream } from './env.ts';

/**
 * What a proxy on node:http and undici costs at least: bytes in, bytes out, with back pressure and abort, and nothing else.
 * Nothing is parsed, no header is judged beyond those that belong to a connection.
 */

const origin = bareProxyUpstream();
const agent = new Agent({ keepAliveTimeout: 600_000, headersTimeout: 0, bodyTimeout: 0 });
/** Of the connection, and what undici sets itself. */
const ownHeaders = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'accept-encoding']);

const server = createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, (request, response) => {
  // One chunk is the usual case and then needs no stream; more are gathered, which is faster than undici's reading of a stream.
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.once('end', () => forward(request, response, chunks));
});

function forward(request: IncomingMessage, response: ServerResponse, chunks: Buffer[]): void {
  const body = chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks);
  agent.dispatch(
    { origin, path: request.url ?? '/', method: request.method ?? 'GET', headers: forwarded(request.rawHeaders), body },
    new Relay(response),
  );
}

function forwarded(raw: readonly string[]): string[] {
  const out: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const [name, value] = [raw[index] ?? '', raw[index + 1] ?? ''];
    if (!ownHeaders.has(name.toLowerCase())) out.push(name, value);
  }
  return out;
}

class Relay implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) controller.abort(new Error('the client is gone'));
    });
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    delete headers['connection'];
    delete headers['keep-alive'];
    delete headers['transfer-encoding'];
    this.#response.writeHead(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    this.#response.end();
  }

  onResponseError(): void {
    this.#response.destroy();
  }
}

await announcePort(server);
