import { type Dialect, dialects, SseDecoder, validateStream } from '@hub/protocol';
import { cutAfter, type ScriptedUpstream, startUpstream, status } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

/** Every client on every provider, through the front door. */

const typeOf: Record<Dialect, string> = { anthropic: 'claude', 'openai-chat': 'openai-compatible', 'openai-responses': 'codex', gemini: 'gemini' };
const upstreamPath: Record<Dialect, RegExp> = {
  anthropic: /^\/v1\/messages$/,
  'openai-chat': /^\/v1\/chat\/completions$/,
  'openai-responses': /^\/v1\/responses$/,
  gemini: /^\/v1beta\/models\/m:(generateContent|streamGenerateContent\?alt=sse)$/,
};
const requestOf: Record<Dialect, (stream: boolean) => { path: string; body: Record<string, unknown> }> = {
  anthropic: (stream) => ({ path: '/v1/messages', body: { model: 'm', max_tokens: 99, stream, messages: [{ role: 'user', content: 'hello' }] } }),
  'openai-chat': (stream) => ({ path: '/v1/chat/completions', body: { model: 'm', stream, messages: [{ role: 'user', content: 'hello' }] } }),
  'openai-responses': (stream) => ({ path: '/v1/responses', body: { model: 'm', stream, input: 'hello' } }),
  gemini: (stream) => ({ path: `/v1beta/models/m:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, body: { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] } }),
};
const text = 'Hello from the fake upstream.';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
let hub: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  controlPlane = await startControlPlane();
  controlPlane.publish([settings(), user(), key()]);
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

async function serveFrom(to: Dialect, init: object = {}): Promise<void> {
  const row = provider({ url: upstream.url, providerType: typeOf[to], allowedModels: ['m'], breakerFailureThreshold: 0, ...init });
  await controlPlane.waitForAck(controlPlane.publish([settings(), user(), key(), row]));
}
const served = () => controlPlane.recordWhere((record) => record.statusCode === 200);
const send = ({ path, body }: { path: string; body: Record<string, unknown> }) =>
  fetch(hub.url + path, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${testKey}` }, body: JSON.stringify(body) });

const pairs = dialects.flatMap((from) => dialects.map((to) => [from, to] as const));

describe.each(pairs)('%s client on a provider of %s', (from, to) => {
  it('whole answer', async () => {
    await serveFrom(to);
    const response = await send(requestOf[from](false));
    const body = await response.text();
    expect(response.status, body).toBe(200);
    expect(body).toContain(text);
    expect(response.headers.get('content-type')).toContain('json');
    expect(upstream.requests[0]?.path).toMatch(upstreamPath[to]);
    const record = await served();
    expect(record).toMatchObject({ statusCode: 200, usageEstimated: false });
    expect(Number(record?.usage?.output)).toBe(42);
  });

  it('stream', async () => {
    await serveFrom(to);
    const response = await send(requestOf[from](true));
    const body = await response.text();
    expect(response.status, body).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const decoder = new SseDecoder();
    const events = [...decoder.push(Buffer.from(body)), ...decoder.end()];
    expect(validateStream(from, events)).toEqual([]);
    const record = await served();
    expect(record).toMatchObject({ statusCode: 200, usageEstimated: false });
    expect(Number(record?.usage?.output)).toBe(42);
    if (from === to) return;
    expect(JSON.parse(record?.specialSettingsJson ?? '[]')).toContainEqual(expect.objectContaining({ type: 'format_conversion', from, to }));
  });

  it('an upstream that breaks off mid-stream', async () => {
    await serveFrom(to);
    upstream.always(cutAfter(1500));
    const response = await send(requestOf[from](true));
    const body = await response.text().catch((error: unknown) => String(error));
    if (response.status !== 200) return expect(response.status).toBe(503);
    const decoder = new SseDecoder();
    const events = [...decoder.push(Buffer.from(body)), ...decoder.end()];
    const last = JSON.stringify(events.slice(-2));
    expect(last).toMatch(/error|failed/);
    return undefined;
  });

  it('an upstream’s refusal speaks the client’s dialect', async () => {
    await serveFrom(to);
    upstream.always(status(400, JSON.stringify({ error: { message: 'no such thing', type: 'invalid_request_error' } })));
    const response = await send(requestOf[from](false));
    expect(response.status).toBe(400);
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toMatchObject({ error: { message: expect.stringContaining('no such thing') } });
    expect(body['type'] === 'error').toBe(from === 'anthropic');
  });
});

describe('what takes part', () => {
  it('a provider of another dialect only if it names the model, and only while the setting is on', async () => {
    await serveFrom('openai-chat', { allowedModels: [] });
    expect((await send(requestOf.anthropic(false))).status).toBe(503);
    await serveFrom('openai-chat', { allowedModels: [], modelRedirects: { m: 'm' } });
    expect((await send(requestOf.anthropic(false))).status).toBe(200);
    const row = provider({ url: upstream.url, providerType: 'openai-compatible', allowedModels: ['m'] });
    await controlPlane.waitForAck(controlPlane.publish([settings({ enableFormatConversion: false }), user(), key(), row]));
    expect((await send(requestOf.anthropic(false))).status).toBe(503);
  });

  it('what cannot be said in the other dialect is a clear 400', async () => {
    await serveFrom('openai-chat');
    const response = await send({ path: '/v1/messages', body: { model: 'm', max_tokens: 9, messages: [{ role: 'alien', content: 'x' }] } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: 'error', error: { message: expect.stringContaining('messages') } });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('Chat Completions streams', () => {
  it('are asked for their usage, and the client does not see that we asked', async () => {
    await serveFrom('openai-chat');
    const response = await send(requestOf['openai-chat'](true));
    const body = await response.text();
    expect(upstream.requests[0]?.json).toMatchObject({ stream_options: { include_usage: true } });
    expect(body).not.toMatch(/"choices":\s*\[\]/);
    expect(body).toContain('[DONE]');
    expect(Number((await served()).usage?.input)).toBe(296);
  });

  it('show it to a client that asked', async () => {
    await serveFrom('openai-chat');
    const { path, body } = requestOf['openai-chat'](true);
    const response = await send({ path, body: { ...body, stream_options: { include_usage: true } } });
    expect(await response.text()).toMatch(/"choices":\s*\[\]/);
  });
});
