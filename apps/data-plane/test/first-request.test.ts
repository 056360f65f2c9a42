import { startUpstream, type ScriptedUpstream } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, price, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
let hub: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  controlPlane = await startControlPlane();
  controlPlane.publish([
    settings(),
    user(),
    key(),
    provider({ url: upstream.url }),
    provider({ id: 2, name: 'codex', url: upstream.url, providerType: 'codex' }),
    provider({ id: 3, name: 'chat', url: upstream.url, providerType: 'openai-compatible' }),
    provider({ id: 4, name: 'gemini', url: upstream.url, providerType: 'gemini' }),
    price('claude-sonnet-4-5', { input_cost_per_token: 3e-6, output_cost_per_token: 15e-6 }),
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

describe('a request in its own dialect', () => {
  it('is answered byte for byte, counted and priced', async () => {
    const response = await messages(hub.url);
    const body = await response.text();
    expect(response.status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ type: 'message', role: 'assistant' });
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ userId: 1, keyId: 1, providerId: 1, statusCode: 200, model: 'claude-sonnet-4-5', endpoint: '/v1/messages', clientDialect: 'claude' });
    expect(Number(record?.usage?.output)).toBeGreaterThan(0);
    expect(Number(record?.costUsd)).toBeGreaterThan(0);
    expect(JSON.parse(record?.providerChainJson ?? '').map((item: { reason: string }) => item.reason)).toEqual(['initial_selection', 'request_success']);
  });

  it('streams byte for byte', async () => {
    const direct = await fetch(`${upstream.url}/v1/messages`, { method: 'POST', body: JSON.stringify({ model: 'm', stream: true, messages: [] }) });
    const expected = await direct.text();
    const response = await messages(hub.url, { body: { stream: true } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect((await response.text()).replaceAll('claude-sonnet-4-5', 'm')).toBe(expected);
    const [record] = await controlPlane.waitForRecords(1);
    expect(record?.statusCode).toBe(200);
    expect(record?.ttfbMs).toBeDefined();
  });

  it.each([
    ['/v1/chat/completions', { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] }, 3],
    ['/v1/responses', { model: 'gpt-5-codex', input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] }] }, 2],
    ['/v1beta/models/gemini-2.5-pro:generateContent', { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }, 4],
    ['/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse', { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }, 4],
    ['/v1/models/gemini-2.5-pro:generateContent', { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }, 4],
  ])('%s reaches a provider of its kind', async (path, body, providerId) => {
    const response = await fetch(hub.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${testKey}` },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    await response.text();
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ providerId, statusCode: 200 });
    expect(Number(record?.usage?.input)).toBeGreaterThan(0);
    expect(Number(record?.usage?.output)).toBeGreaterThan(0);
  });

  it('counts tokens without leaving a row', async () => {
    const response = await messages(hub.url, { path: '/v1/messages/count_tokens' });
    expect(response.status).toBe(200);
    expect(await response.json()).toHaveProperty('input_tokens');
    await messages(hub.url).then((next) => next.text());
    const records = await controlPlane.waitForRecords(1);
    expect(records).toHaveLength(1);
    expect(records[0]?.endpoint).toBe('/v1/messages');
  });
});

describe('what the upstream gets to see', () => {
  it('is the provider’s key, never the hub’s', async () => {
    const response = await fetch(`${hub.url}/v1/messages?key=${testKey}&beta=true`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${testKey}`,
        'x-api-key': testKey,
        'x-goog-api-key': testKey,
        cookie: `auth-token=${testKey}`,
        'x-forwarded-for': '203.0.113.9',
        'x-request-id': 'abc',
        traceparent: '00-x',
      },
      body: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 5, _private: 1, messages: [{ role: 'user', content: 'x', _note: 2 }] }),
    });
    expect(response.status).toBe(200);
    const [seen] = upstream.requests;
    expect(JSON.stringify(seen)).not.toContain(testKey);
    expect(seen?.path ?? '').not.toContain('key=');
    const names = (seen?.rawHeaders ?? []).filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    for (const name of ['x-forwarded-for', 'x-request-id', 'traceparent', 'cookie', 'x-goog-api-key']) expect(names).not.toContain(name);
    expect(JSON.stringify(seen?.rawHeaders)).toContain('Bearer sk-upstream-secret-1');
    expect(JSON.stringify(seen?.rawHeaders)).toContain('identity');
    expect(seen?.json).toEqual({ model: 'claude-sonnet-4-5', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] });
  });
});
