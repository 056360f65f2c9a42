import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@hub/service';
import { type DemoReply, type DemoRequest, reply } from './routes.ts';

const largestBodyBytes = 64 * 1024 * 1024;

export interface DemoServerOptions {
  /** The only key that is accepted: a request that carries any other credential is refused, as a vendor would. */
  readonly key: string;
  /** ms between the pieces of a stream. */
  readonly paceMs: number;
  readonly clock: Clock;
}

/** An upstream that speaks every dialect and has no model behind it. */
export function createDemoServer(options: DemoServerOptions): Server {
  const server = createServer((request, response) => {
    void answer(request, response, options).catch(() => response.destroy());
  });
  // Longer than any client keeps an idle connection, so that it is never us who close one that is just being reused.
  server.keepAliveTimeout = 120_000;
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, { key, paceMs, clock }: DemoServerOptions): Promise<void> {
  const body = await readBody(request);
  const id = randomBytes(12).toString('hex');
  response.setHeader('request-id', `req_${id}`);
  if (body === undefined) {
    sendJson(response, 413, { error: { message: 'the request body is too large', type: 'invalid_request_error' } });
    return;
  }
  const result = reply(describe(request, body), { key, id, now: Math.floor(clock.now() / 1000) });
  if ('json' in result) sendJson(response, result.status, result.json);
  else await sendStream(response, result, paceMs);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size <= largestBodyBytes) parts.push(part);
  }
  return size > largestBodyBytes ? undefined : Buffer.concat(parts).toString('utf8');
}

function describe(request: IncomingMessage, body: string): DemoRequest {
  const url = new URL(request.url ?? '/', 'http://demo');
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const googleKey = header('x-goog-api-key');
  const bearer = header('authorization')?.replace(/^Bearer\s+/i, '');
  return {
    method: request.method ?? 'GET',
    path: url.pathname.replace(/\/$/, ''),
    query: url.searchParams,
    vendor: header('anthropic-version') !== undefined ? 'anthropic' : googleKey !== undefined ? 'gemini' : undefined,
    key: googleKey ?? header('x-api-key') ?? bearer ?? url.searchParams.get('key') ?? undefined,
    body,
  };
}

function sendJson(response: ServerResponse, status: number, json: object): void {
  const body = Buffer.from(JSON.stringify(json));
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length }).end(body);
}

async function sendStream(response: ServerResponse, { contentType, frames }: Extract<DemoReply, { frames: unknown }>, paceMs: number): Promise<void> {
  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-cache' });
  for (const [index, frame] of frames.entries()) {
    if (index > 0 && paceMs > 0) await pause(paceMs);
    if (response.destroyed) return;
    if (!response.write(frame)) await writable(response);
  }
  response.end();
}

/** Until the client has read what waits for it, or is gone. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle).off('close', settle);
      resolve();
    };
    response.once('drain', settle).once('close', settle);
  });
}
