import { chatStream, type ScriptedUpstream, stallAfter, startUpstream, status, anthropicStream, say } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, price, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

/** Tokens that nobody reported, models that somebody has. */
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
async function publish(...rows: Parameters<TestControlPlane['publish']>[0]): Promise<void> {
  const prices = [price('gpt-4o', { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 }), price('claude-sonnet-4-5', { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 })];
  await controlPlane.waitForAck(controlPlane.publish([settings(), user(), key(), ...prices, ...rows]));
}
const prose = 'The gateway counts what nobody else has counted, and it says that it has done so, in plain words. ';

describe('tokens that the upstream did not report are estimated and marked', () => {
  it('when the client leaves a Chat stream, whose usage only comes at the end', async () => {
    await publish(provider({ url: upstream.url, providerType: 'openai-compatible' }));
    const frames = chatStream({ text: Array.from({ length: 40 }, () => prose) });
    const stall = stallAfter(30, say(frames));
    upstream.respond(stall);
    const abort = new AbortController();
    const response = await fetch(`${hub.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${testKey}` },
      body: JSON.stringify({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: prose.repeat(20) }] }),
      signal: abort.signal,
    });
    const reader = response.body?.getReader();
    for (let seen = ''; (seen.match(/plain words/g) ?? []).length < 25; ) seen += Buffer.from((await reader?.read())?.value ?? new Uint8Array()).toString();
    abort.abort();
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ statusCode: 200, usageEstimated: true });
    // About 20 tokens a sentence, 28 of them relayed, 20 of them sent.
    expect(Number(record?.usage?.output)).toBeGreaterThan(350);
    expect(Number(record?.usage?.output)).toBeLessThan(900);
    expect(Number(record?.usage?.input)).toBeGreaterThan(250);
    expect(Number(record?.costUsd)).toBeGreaterThan(0);
  });

  it('when a whole answer carries no usage', async () => {
    await publish(provider({ url: upstream.url }));
    upstream.always(say(anthropicStream({ text: [prose, prose], usage: null })));
    await (await messages(hub.url, { body: { stream: true } })).text();
    const [record] = await controlPlane.waitForRecords(1);
    expect(record).toMatchObject({ statusCode: 200, usageEstimated: true });
    expect(Number(record?.usage?.output)).toBeGreaterThan(20);
  });

  it('but never for an answer that was none', async () => {
    await publish(provider({ url: upstream.url, breakerFailureThreshold: 0 }));
    upstream.always(status(500, 'x'.repeat(5000)));
    expect((await messages(hub.url)).status).toBe(503);
    expect((await controlPlane.waitForRecords(1))[0]).toMatchObject({ usageEstimated: false, costUsd: '0' });
  });
});

describe('count_tokens', () => {
  const count = () => messages(hub.url, { path: '/v1/messages/count_tokens', body: { messages: [{ role: 'user', content: prose.repeat(10) }] } });
  it('is asked of the provider where it can say', async () => {
    await publish(provider({ url: upstream.url }));
    const response = await count();
    expect(response.headers.get('x-hub-estimated')).toBeNull();
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['has no such question', () => provider({ url: upstream.url, maxRetryAttempts: 1 })],
    ['speaks another dialect', () => provider({ url: upstream.url, providerType: 'openai-compatible', allowedModels: ['claude-sonnet-4-5'] })],
  ])('is estimated here where the provider %s', async (_name, row) => {
    await publish(row());
    upstream.always(status(404));
    const response = await count();
    expect(response.status).toBe(200);
    expect(response.headers.get('x-hub-estimated')).toBe('true');
    const { input_tokens: tokens } = (await response.json()) as { input_tokens: number };
    expect(tokens).toBeGreaterThan(150);
    expect(tokens).toBeLessThan(500);
  });
});

describe('models', () => {
  it('are what the caller’s groups reach: listed, named, redirected, and by way of another dialect', async () => {
    await publish(
      provider({ id: 1, url: upstream.url, allowedModels: ['claude-a'], modelRedirects: { 'claude-b': 'claude-a' } }),
      provider({ id: 2, url: upstream.url, providerType: 'openai-compatible', allowedModels: ['gpt-x'] }),
      provider({ id: 3, url: upstream.url, allowedModels: ['claude-hidden'], groupTag: 'vip' }),
      provider({ id: 4, url: upstream.url, allowedModels: ['claude-off'], enabled: false }),
    );
    const response = await fetch(`${hub.url}/v1/models`, { headers: { 'x-api-key': testKey, 'anthropic-version': '2023-06-01' } });
    const { data } = (await response.json()) as { data: { id: string }[] };
    expect(data.map((model) => model.id)).toEqual(['claude-a', 'claude-b', 'gpt-x']);
    const openai = await fetch(`${hub.url}/v1/chat/models`, { headers: { authorization: `Bearer ${testKey}` } });
    expect(await openai.json()).toMatchObject({ object: 'list', data: [{ id: 'gpt-x' }] });
  });

  it('of a user with a list of models are only those', async () => {
    await controlPlane.waitForAck(controlPlane.publish([settings(), user({ allowedModels: ['CLAUDE-A'] }), key(), provider({ url: upstream.url, allowedModels: ['claude-a', 'claude-b'] })]));
    const response = await fetch(`${hub.url}/v1/models`, { headers: { 'x-api-key': testKey, 'anthropic-version': '2023-06-01' } });
    expect(((await response.json()) as { data: { id: string }[] }).data.map((model) => model.id)).toEqual(['claude-a']);
  });
});
