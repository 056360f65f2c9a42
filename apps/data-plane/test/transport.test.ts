import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deferred, deferred, eventually, freePort, type ScriptedUpstream, startUpstream, status } from '@hub/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, user } from './boot.ts';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
const hubs: TestGateway[] = [];
const closers: (() => void)[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(() => upstream.close());
beforeEach(async () => {
  upstream.reset();
  controlPlane = await startControlPlane();
});
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.stop();
  for (const close of closers.splice(0)) close();
  await controlPlane.stop();
});

async function boot(rows: Parameters<TestControlPlane['publish']>[0], env: Record<string, string> = {}): Promise<TestGateway> {
  controlPlane.publish([settings(), user(), key(), ...rows]);
  const hub = await startGateway(controlPlane, { env });
  hubs.push(hub);
  return hub;
}
const listening = (server: Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
const chain = async () => {
  const [record] = await controlPlane.waitForRecords(1);
  return (JSON.parse(record?.providerChainJson ?? '[]') as { reason: string }[]).map((item) => item.reason);
};

/** An HTTP proxy that tunnels, and says what it was asked for. */
async function httpProxy(): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, client: Socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 ok\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    target.on('error', () => client.destroy());
    client.on('error', () => target.destroy());
  });
  const port = await listening(server);
  closers.push(() => server.close());
  return { url: `http://127.0.0.1:${port}`, asked };
}

/** The smallest SOCKS5 server: no authentication, CONNECT to an IPv4 address or a name. */
async function socksProxy(): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const server = createTcpServer((client) => {
    client.once('data', () => {
      client.write(Buffer.from([5, 0]));
      client.once('data', (request) => {
        connections++;
        const host = request[3] === 1 ? [...request.subarray(4, 8)].join('.') : request.subarray(5, 5 + (request[4] ?? 0)).toString();
        const target = connect(request.readUInt16BE(request.length - 2), host, () => {
          client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          target.pipe(client).pipe(target);
        });
        target.on('error', () => client.destroy());
        client.on('error', () => target.destroy());
      });
    });
  });
  const port = await listening(server);
  closers.push(() => server.close());
  return { url: `socks5://127.0.0.1:${port}`, connections: () => connections };
}

describe('proxies', () => {
  it('http, with credentials', async () => {
    const proxy = await httpProxy();
    const hub = await boot([provider({ url: upstream.url, proxyUrl: proxy.url.replace('//', '//me:secret@') })]);
    expect((await messages(hub.url)).status).toBe(200);
    expect(proxy.asked).toEqual([`${new URL(upstream.url).host} Basic ${Buffer.from('me:secret').toString('base64')}`]);
  });

  it('socks5', async () => {
    const proxy = await socksProxy();
    const hub = await boot([provider({ url: upstream.url, proxyUrl: proxy.url })]);
    expect((await messages(hub.url, { body: { stream: true } })).status).toBe(200);
    expect(proxy.connections()).toBe(1);
  });

  it('dead: an error as of a network; with the fallback the direct way', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    const hub = await boot([provider({ url: upstream.url, proxyUrl: dead, breakerFailureThreshold: 0 })]);
    expect((await messages(hub.url)).status).toBe(503);
    expect(await chain()).toEqual(['initial_selection', 'system_error', 'system_error']);
    controlPlane.records.length = 0;
    await controlPlane.waitForAck(controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url, proxyUrl: dead, proxyFallbackToDirect: true })]));
    expect((await messages(hub.url)).status).toBe(200);
    expect(await chain()).toEqual(['initial_selection', 'proxy_fallback', 'request_success']);
  });
});

describe('HTTP/2', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hub-tls-'));
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  beforeAll(() => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')], { stdio: 'ignore' });
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  });
  afterAll(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  });

  async function secureUpstream(): Promise<{ url: string; versions: string[] }> {
    const versions: string[] = [];
    const tls = { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')), allowHTTP1: true };
    const server: Http2SecureServer = createSecureServer(tls, (request, response) => {
      versions.push(request.httpVersion);
      request.resume().on('end', () => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ id: 'm', type: 'message', role: 'assistant', model: 'x', content: [{ type: 'text', text: 'hi' }], stop_reason: 'end_turn', usage: { input_tokens: 1, output_tokens: 1 } }));
      });
    });
    const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
    closers.push(() => server.close());
    return { url: `https://localhost:${port}`, versions };
  }

  it.each([[true, '2.0'], [false, '1.1']])('setting enable_http2 %s → HTTP/%s', async (enableHttp2, version) => {
    const secure = await secureUpstream();
    const hub = await boot([settings({ enableHttp2 }), provider({ url: secure.url })]);
    expect((await messages(hub.url)).status).toBe(200);
    expect(secure.versions).toEqual([version]);
  });
});

describe('private addresses', () => {
  it('are refused at the moment of connecting unless allowed, as names and as numbers', async () => {
    const { port } = new URL(upstream.url);
    const hub = await boot(
      [provider({ url: upstream.url, breakerFailureThreshold: 0 }), provider({ id: 2, name: 'named', url: `http://localhost:${port}`, priority: 1, breakerFailureThreshold: 0 })],
      { ALLOW_PRIVATE_UPSTREAMS: '0' },
    );
    expect((await messages(hub.url)).status).toBe(503);
    expect(upstream.requests).toHaveLength(0);
    expect((await controlPlane.waitForRecords(1))[0]?.errorMessage).toMatch(/private address/);
  });
});

describe('the prober', () => {
  it('asks who is shut out, and trials begin as soon as it answers', async () => {
    const flaky = provider({ id: 5, url: upstream.urlFor('flaky'), maxRetryAttempts: 1, breakerFailureThreshold: 1, breakerOpenMs: 3_600_000, breakerHalfOpenSuccesses: 1 });
    upstream.always(status(500), 'flaky');
    const hub = await boot([flaky], { ENABLE_SMART_PROBING: '1', PROBE_INTERVAL_MS: '100' });
    await messages(hub.url);
    const phase = () => hub.gateway.attemptTools.breakers.phase(5, { failureThreshold: 1, openMs: 3_600_000, halfOpenSuccesses: 1 }, Date.now());
    expect(phase()).toBe('open');
    await upstream.waitForRequests(2, { mode: 'flaky' });
    expect(upstream.requests.at(-1)).toMatchObject({ method: 'GET', path: '/v1/models' });
    expect(phase()).toBe('open');
    upstream.reset();
    await eventually(() => 'trials', async () => (phase() === 'half-open' ? true : undefined));
    expect((await messages(hub.url)).status).toBe(200);
    expect(phase()).toBe('closed');
  });
});

describe('who guesses keys', () => {
  it('is shut out after 20 failures, whatever comes then', async () => {
    const hub = await boot([provider({ url: upstream.url })]);
    for (let index = 0; index < 20; index++) expect((await messages(hub.url, { headers: { 'x-api-key': `sk-guess-${index}` } })).status).toBe(401);
    const response = await messages(hub.url);
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(500);
    // Somebody else behind the same proxy is not.
    expect((await messages(hub.url, { headers: { 'x-forwarded-for': 'whatever, 203.0.113.7' } })).status).toBe(200);
  });
});

describe('a client that reads slowly', () => {
  it('slows its upstream down instead of filling our memory', async () => {
    const finished: Deferred<void> = deferred();
    let written = 0;
    upstream.always((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n');
      const filler = `: ${'x'.repeat(64 * 1024)}\n\n`;
      const pump = () => {
        while (written < 64 * 1024 * 1024) {
          written += filler.length;
          if (!response.write(filler)) return void response.once('drain', pump);
        }
        response.end();
        finished.resolve();
      };
      pump();
    });
    const hub = await boot([provider({ url: upstream.url })]);
    const abort = new AbortController();
    const response = await messages(hub.url, { body: { stream: true }, signal: abort.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    // The pump stands still once sockets and buffers are full, long before the end.
    await eventually(() => 'the pump to stand still', async () => {
      const before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return written === before && written > 0 ? true : undefined;
    });
    expect(written).toBeLessThan(48 * 1024 * 1024);
    for (let chunk = await reader?.read(); chunk?.done !== true; chunk = await reader?.read());
    await finished.promise;
  });
});
