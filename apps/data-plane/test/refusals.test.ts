import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { connect } from 'node:net';
import { type ScriptedUpstream, startUpstream } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
let hub: TestGateway;
const keys = { restricted: 'sk-restricted-000000', disabled: 'sk-disabled-0000000', expiredUser: 'sk-expired-user-000', offUser: 'sk-off-user-0000000', expiredKey: 'sk-expired-key-0000', orphan: 'sk-orphan-000000000' };

beforeAll(async () => {
  upstream = await startUpstream();
  controlPlane = await startControlPlane();
  controlPlane.publish([
    settings({ maxRequestBodyBytes: 100_000n, interceptWarmupRequests: true, enableClientVersionCheck: true, minimumClientVersions: { 'claude-cli': '2.0.10' } }),
    user(),
    user({ id: 2, allowedClients: ['claude-cli'], allowedModels: ['Claude-X', 'claude-sonnet-4-5'] }),
    user({ id: 3, expiresAtMs: BigInt(Date.UTC(2025, 0, 1)) }),
    user({ id: 4, enabled: false }),
    key(),
    key({ id: 2, userId: 2 }, keys.restricted),
    key({ id: 3, enabled: false }, keys.disabled),
    key({ id: 4, userId: 3 }, keys.expiredUser),
    key({ id: 5, userId: 4 }, keys.offUser),
    key({ id: 6, expiresAtMs: 1n }, keys.expiredKey),
    key({ id: 7, userId: 77 }, keys.orphan),
    provider({ url: upstream.url }),
  ]);
  hub = await startGateway(controlPlane);
});
afterAll(async () => {
  await hub.stop();
  await controlPlane.stop();
  await upstream.close();
});
beforeEach(() => {
  upstream.reset();
  controlPlane.records.length = 0;
});

const post = (path: string, headers: Record<string, string>, body: NonNullable<RequestInit['body']> = '{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"x"}]}') =>
  fetch(hub.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });

describe('credentials', () => {
  it.each([
    ['none', {}, 'authentication_error'],
    ['two different', { authorization: `Bearer ${testKey}`, 'x-api-key': 'sk-other' }, 'authentication_error'],
    ['unknown', { 'x-api-key': 'sk-nobody' }, 'invalid_api_key'],
    ['disabled key', { 'x-api-key': keys.disabled }, 'invalid_api_key'],
    ['expired key', { 'x-api-key': keys.expiredKey }, 'invalid_api_key'],
    ['key of a deleted user', { 'x-api-key': keys.orphan }, 'invalid_api_key'],
    ['disabled user', { 'x-api-key': keys.offUser }, 'user_disabled'],
    ['expired user', { 'x-api-key': keys.expiredUser }, 'user_expired'],
  ])('%s → 401, in Anthropic’s shape, not to be retried', async (_name, headers, code) => {
    const response = await post('/v1/messages', headers);
    expect(response.status).toBe(401);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: code, code } });
    expect(upstream.requests).toHaveLength(0);
  });

  it.each([
    ['Authorization', '/v1/messages', { authorization: `bearer ${testKey}` }],
    ['x-api-key', '/v1/messages', { 'x-api-key': testKey }],
    ['x-goog-api-key', '/v1/messages', { 'x-goog-api-key': testKey }],
    ['?key=', `/v1/messages?key=${testKey}`, {}],
    ['the same twice', '/v1/messages', { authorization: `Bearer ${testKey}`, 'x-api-key': testKey }],
  ])('%s is accepted', async (_name, path, headers) => {
    expect((await post(path, headers)).status).toBe(200);
  });

  it('an expired user is reported to the control plane', async () => {
    await post('/v1/messages', { 'x-api-key': keys.expiredUser });
    await messages(hub.url).then((response) => response.text());
    await controlPlane.waitForRecords(1);
    expect(controlPlane.events.map((event) => event.event)).toContainEqual(expect.objectContaining({ case: 'userExpired' }));
  });

  it('errors speak the client’s dialect', async () => {
    const gemini = await (await post('/v1beta/models/gemini-2.5-pro:generateContent', { 'x-goog-api-key': 'sk-nobody' })).json();
    expect(gemini).toMatchObject({ error: { status: 'UNAUTHENTICATED', code: 'invalid_api_key' } });
    const chat = await (await post('/v1/chat/completions', { authorization: 'Bearer sk-nobody' })).json();
    expect(chat).not.toHaveProperty('type');
    expect(chat).toMatchObject({ error: { code: 'invalid_api_key' } });
  });
});

describe('bodies', () => {
  const good = { 'x-api-key': testKey };
  it('a chat body of the wrong shape is told so before the credential is looked at', async () => {
    for (const [path, body] of [['/v1/responses', '{"model":"m"}'], ['/v1/chat/completions', '{"messages":[]}'], ['/v1/chat/completions', '{"model":"m"}']] as const) {
      const response = await post(path, {}, body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', code: 'missing_required_fields' } });
    }
  });

  it.each([['{not json'], ['null'], ['[]'], ['"x"'], ['']])('%j → 400', async (body) => {
    const response = await post('/v1/messages', good, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error', code: 'invalid_json' } });
    expect(upstream.requests).toHaveLength(0);
  });

  it.each([['gzip', gzipSync], ['br', brotliCompressSync], ['deflate', deflateSync]] as const)('%s is undone', async (encoding, encode) => {
    const body = JSON.stringify({ model: 'claude-sonnet-4-5', messages: [{ role: 'user', content: 'packed' }] });
    const response = await post('/v1/messages', { ...good, 'content-encoding': encoding }, new Uint8Array(encode(body)));
    expect(response.status).toBe(200);
    expect(upstream.requests[0]?.text).toBe(body);
    expect(upstream.requests[0]?.headers['content-encoding']).toBeUndefined();
  });

  it('a broken or unknown encoding → 400', async () => {
    expect((await post('/v1/messages', { ...good, 'content-encoding': 'gzip' }, 'nonsense')).status).toBe(400);
    const response = await post('/v1/messages', { ...good, 'content-encoding': 'snappy' }, 'nonsense');
    expect(await response.json()).toMatchObject({ error: { code: 'unsupported_content_encoding' } });
  });

  it('too large → 413, also when it only unpacks to that', async () => {
    const large = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(200_000) }] });
    for (const response of [await post('/v1/messages', good, large), await post('/v1/messages', { ...good, 'content-encoding': 'gzip' }, new Uint8Array(gzipSync(large)))]) {
      expect(response.status).toBe(413);
      expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'request_too_large', code: 'request_too_large' } });
    }
  });

  it('too large without a length → 413', async () => {
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 30; i++) controller.enqueue(new Uint8Array(10_000).fill(120));
        controller.close();
      },
    });
    const response = await fetch(`${hub.url}/v1/messages`, { method: 'POST', headers: good, body: stream, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(413);
  });
});

describe('guards', () => {
  const restricted = (headers: Record<string, string>, body?: object) => messages(hub.url, { headers: { 'x-api-key': keys.restricted, ...headers }, ...(body && { body: body as Record<string, unknown> }) });

  it('clients: case, - and _ do not matter; others and nobody are refused', async () => {
    expect((await restricted({ 'user-agent': 'Claude_CLI/2.1.0' })).status).toBe(200);
    const refused = await restricted({ 'user-agent': 'curl/8' });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error', code: 'invalid_request_error' } });
  });

  it('models: exact but for case', async () => {
    expect((await restricted({}, { model: 'CLAUDE-SONNET-4-5' })).status).toBe(503);
    expect((await restricted({}, { model: 'claude-sonnet-4-5' })).status).toBe(200);
    expect((await restricted({}, { model: 'claude-y' })).status).toBe(400);
  });

  it('client version: older than required is asked to upgrade', async () => {
    const response = await messages(hub.url, { headers: { 'user-agent': 'claude-cli/2.0.9 (external, cli)' } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { type: 'client_upgrade_required', current_version: '2.0.9', required_version: '2.0.10', client_type: 'claude-cli', client_display_name: 'Claude CLI' },
    });
  });

  it('a probe is answered here', async () => {
    const response = await messages(hub.url, { body: { messages: [{ role: 'user', content: ' FOO ' }] } });
    expect(await response.json()).toEqual({ input_tokens: 0 });
    expect(upstream.requests).toHaveLength(0);
  });

  it('a warm-up is answered here and leaves its row', async () => {
    const content = [{ type: 'text', text: 'Warmup', cache_control: { type: 'ephemeral' } }];
    const response = await messages(hub.url, { body: { messages: [{ role: 'user', content }], stream: true } });
    expect(response.headers.get('x-cch-intercepted')).toBe('warmup');
    expect(await response.json()).toMatchObject({ id: expect.stringMatching(/^msg_cch_[0-9a-f]{16}$/), type: 'message', stop_reason: 'end_turn' });
    expect((await controlPlane.waitForRecords(1))[0]).toMatchObject({ providerId: 0, statusCode: 200, blockedBy: 'warmup' });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('everything else', () => {
  it('preflight and unknown paths', async () => {
    const preflight = await fetch(`${hub.url}/v1/messages`, { method: 'OPTIONS', headers: { origin: 'https://app.example', 'access-control-request-headers': 'x-a' } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('x-a');
    expect((await fetch(`${hub.url}/nowhere`)).status).toBe(404);
  });

  it('a path that we do not know passes through with the provider’s key', async () => {
    await fetch(`${hub.url}/v1/files?limit=2`, { headers: { 'x-api-key': testKey } });
    expect(upstream.requests[0]).toMatchObject({ method: 'GET', path: '/v1/files?limit=2' });
    expect(upstream.requests[0]?.headers['x-api-key']).toBe('sk-upstream-secret-1');
  });

  it('a WebSocket on /v1/responses is told to upgrade otherwise', async () => {
    const { hostname, port } = new URL(hub.url);
    const socket = connect(Number(port), hostname);
    socket.write('GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n');
    const answer = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    expect(answer).toMatch(/^HTTP\/1\.1 426 /);
  });

  it('models in three shapes', async () => {
    const get = (headers: Record<string, string>) => fetch(`${hub.url}/v1/models`, { headers }).then((response) => response.json());
    expect(await get({ 'x-api-key': testKey, 'anthropic-version': '2023-06-01' })).toMatchObject({ has_more: false, data: expect.any(Array) });
    expect(await get({ 'x-goog-api-key': testKey })).toMatchObject({ models: expect.any(Array) });
    expect(await get({ authorization: `Bearer ${testKey}` })).toMatchObject({ object: 'list' });
  });
});
