import {
  brotli, cutAfter, emptyBody, errorEventAfter, errorEventFirst, errorIn200, gzip, hangUp, htmlPage, never, redirect,
  type ScriptedUpstream, stallAfter, startUpstream, status,
} from '@hub/testkit';
import { SseDecoder } from '@hub/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
let hub: TestGateway;

const bad = (init: object = {}) => provider({ id: 1, name: 'bad', url: upstream.urlFor('bad'), priority: 0, maxRetryAttempts: 2, breakerFailureThreshold: 0, ...init });
const good = () => provider({ id: 2, name: 'good', url: upstream.urlFor('good'), priority: 1, apiKey: 'sk-upstream-secret-2' });

beforeAll(async () => {
  upstream = await startUpstream();
  controlPlane = await startControlPlane();
  controlPlane.publish([settings(), user(), key(), bad(), good()]);
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

async function publish(...providers: ReturnType<typeof provider>[]): Promise<void> {
  await controlPlane.waitForAck(controlPlane.publish([settings(), user(), key(), ...providers]));
}
const reasons = (record: { providerChainJson: string } | undefined) =>
  (JSON.parse(record?.providerChainJson ?? '[]') as { reason: string }[]).map((item) => item.reason);
const calls = (mode: string) => upstream.requests.filter((request) => request.mode === mode).length;

describe('a provider’s fault never reaches the client while another could serve', () => {
  beforeEach(() => publish(bad(), good()));

  const faults = {
    'status 500': status(500, '{"type":"error","error":{"type":"api_error","message":"boom"}}'),
    'status 401': status(401, '{"error":{"message":"bad key"}}'),
    'status 429': status(429, '{"error":{"message":"slow down"}}'),
    'status 529': status(529, 'overloaded'),
    'a redirect': redirect('http://127.0.0.1:1/'),
    'an HTML page in a 200': htmlPage(),
    'an empty body in a 200': emptyBody(),
    'an error object in a 200': errorIn200(),
    'a hang-up before the answer': hangUp(),
  };
  it.each(Object.entries(faults))('whole answer: %s', async (_name, behaviour) => {
    upstream.always(behaviour, 'bad');
    const response = await messages(hub.url);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ type: 'message' });
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ providerId: 2, statusCode: 200 });
    expect(calls('bad')).toBe(2);
    expect(calls('good')).toBe(1);
    expect(reasons(record).at(-1)).toBe('retry_success');
  });

  const streamFaults = {
    ...faults,
    'an error event first': errorEventFirst(),
    'a cut inside the preamble': cutAfter(20),
  };
  it.each(Object.entries(streamFaults))('stream: %s', async (_name, behaviour) => {
    upstream.always(behaviour, 'bad');
    const response = await messages(hub.url, { body: { stream: true } });
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(text.match(/event: message_start/g)).toHaveLength(1);
    expect(text).toContain('message_stop');
    expect(text).not.toContain('event: error');
    expect((await controlPlane.waitForRecords(1))[0]).toMatchObject({ providerId: 2, statusCode: 200 });
  });

  it('gives a wrong request to the next provider only once and to none again', async () => {
    upstream.always(status(400, '{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"}}'), 'bad');
    upstream.always(status(400, '{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"}}'), 'good');
    const response = await messages(hub.url);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error', message: expect.stringContaining('max_tokens') } });
    expect([calls('bad'), calls('good')]).toEqual([1, 1]);
    expect((await controlPlane.waitForRecords(1))[0]).toMatchObject({ statusCode: 400 });
  });
});

describe('when nobody can serve', () => {
  beforeEach(() => publish(bad()));

  it('the client gets 503 and the row the truth', async () => {
    upstream.always(status(401, '{"error":{"type":"authentication_error","message":"invalid x-api-key sk-upstream-secret-1"}}'), 'bad');
    const response = await messages(hub.url);
    expect(response.status).toBe(503);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ type: 'error', error: { type: 'service_unavailable_error', code: 'service_unavailable_error' } });
    expect(body).not.toContain('sk-upstream-secret-1');
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ statusCode: 401, providerId: 1, costUsd: '0' });
    expect(record?.errorMessage).toMatch(/^Provider bad returned 401: /);
    expect(JSON.stringify(record, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain('sk-upstream-secret-1');
    expect(reasons(record)).toEqual(['initial_selection', 'retry_failed', 'retry_failed']);
  });

  it('keeps the upstream’s retry-after', async () => {
    upstream.always(status(429, '{"error":{"message":"slow"}}', { 'retry-after': '17' }), 'bad');
    const response = await messages(hub.url);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('17');
  });

  it('count_tokens gets the upstream’s status at once', async () => {
    upstream.always(status(500, '{"type":"error","error":{"type":"api_error","message":"boom"}}'), 'bad');
    const response = await messages(hub.url, { path: '/v1/messages/count_tokens' });
    expect(response.status).toBe(500);
    expect(calls('bad')).toBe(1);
  });
});

describe('a stream that goes wrong after its first content', () => {
  beforeEach(() => publish(bad({ streamIdleTimeoutMs: 60_000 }), good()));

  it('cut: ends with the dialect’s error event and a row that says so', async () => {
    upstream.always(cutAfter(900), 'bad');
    const response = await messages(hub.url, { body: { stream: true } });
    const text = await response.text();
    expect(text).toContain('content_block_delta');
    const events = new SseDecoder().push(Buffer.from(text));
    expect(events.at(-1)).toMatchObject({ event: 'error' });
    expect(JSON.parse(events.at(-1)?.data ?? '')).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ providerId: 1, statusCode: 502 });
    expect(Number(record?.usage?.input)).toBeGreaterThan(0);
    expect(calls('good')).toBe(0);
  });

  it('an error event of the upstream passes as it is, once', async () => {
    upstream.always(errorEventAfter(4), 'bad');
    const text = await (await messages(hub.url, { body: { stream: true } })).text();
    expect(text.match(/event: error/g)).toHaveLength(1);
    expect((await controlPlane.waitForRecords(1))[0]?.statusCode).toBeGreaterThanOrEqual(500);
  });
});

describe('timeouts', () => {
  it('no first byte in time: the next provider answers, the chain says 524', async () => {
    await publish(bad({ firstByteTimeoutMs: 100, maxRetryAttempts: 1 }), good());
    upstream.always(never(), 'bad');
    const response = await messages(hub.url, { body: { stream: true } });
    expect(await response.text()).toContain('message_stop');
    const [record] = await controlPlane.waitForRecords(1);
    expect(JSON.parse(record?.providerChainJson ?? '')[1]).toMatchObject({ reason: 'retry_failed', statusCode: 524 });
  });

  it('silence inside a stream: the client is told, the row says 524', async () => {
    await publish(bad({ streamIdleTimeoutMs: 100 }));
    const stall = stallAfter(5);
    upstream.respond(stall, 'bad');
    const text = await (await messages(hub.url, { body: { stream: true } })).text();
    expect(text).toContain('event: error');
    expect((await controlPlane.waitForRecords(1))[0]).toMatchObject({ statusCode: 524 });
  });
});

describe('the client leaves', () => {
  it('mid-stream: the upstream is told at once, what came is recorded', async () => {
    await publish(bad());
    const stall = stallAfter(5);
    upstream.respond(stall, 'bad');
    const abort = new AbortController();
    const response = await messages(hub.url, { body: { stream: true }, signal: abort.signal });
    await response.body?.getReader().read();
    abort.abort();
    await upstream.requests[0]?.whenAborted;
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ statusCode: 200, errorMessage: '' });
    expect(Number(record?.usage?.input)).toBeGreaterThan(0);
  });

  it('before the answer: the row says 499', async () => {
    await publish(bad());
    upstream.respond(never(), 'bad');
    const abort = new AbortController();
    const pending = messages(hub.url, { signal: abort.signal }).catch(() => undefined);
    await upstream.waitForRequests(1, { mode: 'bad' });
    abort.abort();
    await pending;
    await upstream.requests[0]?.whenAborted;
    expect((await controlPlane.waitForRecords(1))[0]).toMatchObject({ statusCode: 499 });
  });
});

describe('an encoding that nobody asked for', () => {
  it.each([['gzip', gzip()], ['br', brotli()]])('%s is undone, so that it can be read and counted', async (_name, behaviour) => {
    await publish(bad());
    upstream.respond(behaviour, 'bad');
    const response = await messages(hub.url, { headers: { authorization: `Bearer ${testKey}` } });
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.json()).toMatchObject({ type: 'message' });
    expect(Number((await controlPlane.waitForRecords(1))[0]?.usage?.output)).toBeGreaterThan(0);
  });
});
