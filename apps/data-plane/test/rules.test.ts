import { create, wire } from '@hub/contract';
import { type ScriptedUpstream, startUpstream, status } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parsePath } from '../src/rules/request-filters.ts';
import { spokenTexts } from '../src/rules/sensitive-words.ts';
import { type Fields, key, messages, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from './boot.ts';

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
let hub: TestGateway;
type Row = Parameters<TestControlPlane['publish']>[0][number];

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
const publish = (...rows: Row[]) =>
  controlPlane.waitForAck(controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url, breakerFailureThreshold: 0 }), ...rows]));

let ids = 0;
const word = (text: string, matchType = 'contains'): Row => ({ case: 'sensitiveWord', value: create(wire.SensitiveWordSchema, { id: ++ids, word: text, matchType }) });
const filter = (init: Fields<wire.RequestFilter>): Row => ({
  case: 'requestFilter',
  value: create(wire.RequestFilterSchema, { id: ++ids, name: 'f', bindingType: 'global', ...init, replacementJson: init.replacementJson ?? '' }),
});
const rule = (init: Fields<wire.ErrorRule>): Row => ({ case: 'errorRule', value: create(wire.ErrorRuleSchema, { id: ++ids, matchType: 'contains', category: 'c', ...init }) });

describe('sensitive words', () => {
  beforeAll(() => publish(word('ForbiddenWord'), word(' Exact Phrase ', 'exact'), word('sec[r]et\\d+', 'regex'), word('(?<=look)behind', 'regex')));

  it.each([
    ['in a message', { messages: [{ role: 'user', content: 'please say the FORBIDDENWORD now' }] }, 'forbiddenword', 'contains'],
    ['in a block', { messages: [{ role: 'user', content: [{ type: 'text', text: 'a forbiddenword' }] }] }, 'forbiddenword', 'contains'],
    ['in the system text', { system: [{ type: 'text', text: 'forbiddenword' }] }, 'forbiddenword', 'contains'],
    ['as a whole', { messages: [{ role: 'user', content: ' EXACT phrase' }] }, 'EXACT phrase', 'exact'],
    ['as a pattern', { messages: [{ role: 'user', content: 'my SECRET42' }] }, 'sec[r]et\\d+', 'regex'],
  ])('%s: refused, with a row that no provider served', async (_name, body, hit, matchType) => {
    const response = await messages(hub.url, { body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error', code: 'invalid_request_error' } });
    const record = await controlPlane.recordWhere(({ blockedBy }) => blockedBy !== '');
    expect(record).toMatchObject({ providerId: 0, statusCode: 400, blockedBy: 'sensitive_word', costUsd: '0' });
    expect(JSON.parse(record.blockedReasonJson)).toMatchObject({ word: hit, matchType });
    expect(upstream.requests).toHaveLength(0);
  });

  it('what the model said, part of an exact phrase, and other words pass', async () => {
    const bodies = [
      { messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content: 'forbiddenword' }, { role: 'user', content: 'y' }] },
      { messages: [{ role: 'user', content: 'an exact phrase among others' }] },
    ];
    for (const body of bodies) expect((await messages(hub.url, { body })).status).toBe(200);
    expect((await messages(hub.url, { path: '/v1/messages/count_tokens', body: { system: 'forbiddenword' } })).status).toBe(200);
  });

  it('are looked for in every dialect', () => {
    const texts = (body: Record<string, unknown>) => [...spokenTexts(body)];
    expect(texts({ input: 'plain' })).toEqual(['plain']);
    expect(texts({ instructions: 'i', input: [{ role: 'developer', content: [{ type: 'input_text', text: 'd' }] }, { type: 'function_call_output', role: 'tool', output: 'no' }] })).toEqual(['i', 'd']);
    expect(texts({ systemInstruction: { parts: [{ text: 's' }] }, contents: [{ role: 'user', parts: [{ text: 'u' }] }, { role: 'model', parts: [{ text: 'no' }] }] })).toEqual(['s', 'u']);
    expect(texts({ request: { contents: [{ parts: [{ text: 'w' }] }] } })).toEqual(['w']);
    expect(texts({ messages: [{ role: 'system', content: 'sys' }, { role: 'tool', content: 'no' }] })).toEqual(['sys']);
  });
});

describe('request filters', () => {
  const sent = () => upstream.requests.at(-1);
  it('change headers and bodies, globally and for some providers, anew for every candidate', async () => {
    await publish(
      provider({ id: 7, name: 'first', url: upstream.urlFor('first'), priority: -1, maxRetryAttempts: 1, breakerFailureThreshold: 0, groupTag: 'default,vip' }),
      filter({ scope: 'header', action: 'set', target: 'x-global', replacementJson: '"g"' }),
      filter({ scope: 'header', action: 'remove', target: 'X-Gone' }),
      filter({ scope: 'body', action: 'json_path', target: 'metadata.tags[1]', replacementJson: '"t"' }),
      filter({ scope: 'body', action: 'text_replace', target: 'there', replacementJson: '"$1 here"' }),
      filter({ scope: 'body', action: 'text_replace', matchType: 'regex', target: 'l+', replacementJson: '"L"' }),
      filter({ scope: 'header', action: 'set', target: 'x-first', replacementJson: '"f"', bindingType: 'providers', providerIds: [7] }),
      filter({ scope: 'header', action: 'set', target: 'x-vip', replacementJson: '"v"', bindingType: 'groups', groupTags: ['vip'] }),
    );
    upstream.always(status(500), 'first');
    expect((await messages(hub.url, { headers: { 'x-gone': '1' } })).status).toBe(200);
    const first = upstream.requests.find((request) => request.mode === 'first');
    expect(first?.headers).toMatchObject({ 'x-global': 'g', 'x-first': 'f', 'x-vip': 'v' });
    expect(sent()?.headers['x-global']).toBe('g');
    for (const name of ['x-gone', 'x-first', 'x-vip']) expect(sent()?.headers).not.toHaveProperty(name);
    expect(sent()?.json).toMatchObject({ messages: [{ content: 'heLo $1 here' }], metadata: { tags: [null, 't'] } });
  });

  it('cannot reach behind an object, break a header line, or touch the credential', async () => {
    await publish(
      filter({ scope: 'body', action: 'json_path', target: '__proto__.polluted', replacementJson: 'true' }),
      filter({ scope: 'body', action: 'json_path', target: 'a.constructor.b', replacementJson: 'true' }),
      filter({ scope: 'header', action: 'set', target: 'x-line', replacementJson: '"a\\r\\nx-evil: 1"' }),
      filter({ scope: 'header', action: 'set', target: 'authorization', replacementJson: '"Bearer stolen"' }),
    );
    expect((await messages(hub.url)).status).toBe(200);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(sent()?.headers['x-evil']).toBeUndefined();
    expect(sent()?.headers['authorization']).toBe('Bearer sk-upstream-secret-1');
    expect(sent()?.json).not.toHaveProperty('a');
    expect(['a.b[0].c', 'a..b', 'a[x]', 'prototype'].map(parsePath)).toEqual([['a', 'b', 0, 'c'], undefined, undefined, undefined]);
  });
});

describe('error rules', () => {
  const prompt = '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}';
  it('end the attempts at once, with the upstream’s status and the rule’s words', async () => {
    const override = { type: 'error', error: { type: 'prompt_limit', message: 'Please shorten your prompt.' } };
    await publish(provider({ id: 8, url: upstream.urlFor('b'), priority: 9 }), rule({ pattern: 'prompt is too long', category: 'prompt_limit', overrideResponseJson: JSON.stringify(override) }));
    upstream.always(status(400, prompt));
    const response = await messages(hub.url);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(override);
    expect(upstream.requests).toHaveLength(1);
    const record = await controlPlane.recordWhere(({ statusCode }) => statusCode === 400);
    expect(JSON.parse(record.providerChainJson).at(-1)).toMatchObject({ reason: 'client_error_non_retryable', errorDetails: { matchedRule: { category: 'prompt_limit', hasOverrideResponse: true } } });
  });

  it('may give another status, and the real text where they have none', async () => {
    await publish(rule({ pattern: 'TOO LONG', overrideStatusCode: 418, overrideResponseJson: '{"error":{"code":"c","type":"t","message":" "}}' }));
    upstream.always(status(413, prompt));
    const response = await messages(hub.url, { headers: { authorization: `Bearer ${testKey}` } });
    expect(response.status).toBe(418);
    expect(await response.json()).toMatchObject({ error: { code: 'c', type: 't', message: expect.stringContaining('prompt is too long') } });
    expect(await controlPlane.recordWhere(({ statusCode }) => statusCode === 413)).toBeDefined();
  });

  it('match contains before exact before regex, by priority', async () => {
    await publish(
      rule({ pattern: 'too.*long', matchType: 'regex', overrideStatusCode: 410 }),
      rule({ pattern: 'prompt is', priority: 5, overrideStatusCode: 411 }),
      rule({ pattern: 'prompt is too', priority: 1, overrideStatusCode: 412 }),
    );
    upstream.always(status(400, prompt));
    expect((await messages(hub.url)).status).toBe(412);
  });
});
