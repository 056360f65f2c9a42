import type { UsageRecord } from '@hub/contract';
import { create, wire } from '@hub/contract';
import { cutAfter, eventually, hangUp, healthy, never, stallAfter, status, stepwise } from '@hub/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { key, messages, testKey, user } from '../boot.ts';
import { chainOf, providerAt, readUntil, type Row, send, useWorld } from './world.ts';

/** What users of other gateways complained about: who is asked, who is asked again, and who is shut out for what. */

const world = useWorld();
const overloaded = status(529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
const turns = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }];
let conversations = 0;
/** A conversation with an id of its own. */
const conversation = () => {
  conversations += 1;
  const metadata = { user_id: `user_a_account__session_talk-${conversations}` };
  return async (headers: Record<string, string> = {}) => (await messages(world.hub.url, { headers, body: { messages: turns, metadata } })).status;
};
const reasons = (record: UsageRecord) => chainOf(record).map((item) => item.reason);
const rowOf = async (number: number): Promise<UsageRecord> => {
  const record = (await world.controlPlane.waitForRecords(number))[number - 1];
  if (record === undefined) throw new Error(`there is no row ${number}`);
  return record;
};

describe('a conversation and its provider', () => {
  const cheap = (init: Partial<wire.Provider> = {}) => providerAt(world, 'cheap', { id: 1, priority: 0, ...init });
  const dear = () => providerAt(world, 'dear', { id: 2, priority: 1 });

  it('G01 a provider that fails is left in the same request, and the next one does not ask it first', async () => {
    await world.publish(cheap(), dear());
    const ask = conversation();
    expect(await ask()).toBe(200);
    world.upstream.always(status(429, '{"error":{"message":"slow down"}}', { 'retry-after': '86400' }), 'cheap');
    expect(await ask()).toBe(200);
    expect(reasons(await rowOf(2))).toEqual(['session_reuse', 'retry_failed', 'retry_success']);
    expect(await ask()).toBe(200);
    expect([world.calls('cheap'), world.calls('dear')]).toEqual([2, 2]);
  });

  it('G01, G04 a provider that is switched off is left at once by everybody', async () => {
    await world.publish(cheap(), dear());
    const asks = [conversation(), conversation()];
    for (const ask of asks) expect(await ask()).toBe(200);
    await world.publish(cheap({ enabled: false }), dear());
    for (const ask of asks) expect(await ask()).toBe(200);
    expect([world.calls('cheap'), world.calls('dear')]).toEqual([2, 2]);
  });

  it('G04 a conversation that is ended by an admin chooses anew', async () => {
    await world.publish(dear());
    const ask = conversation();
    await ask();
    await world.publish(cheap(), dear());
    await ask();
    expect(reasons(await rowOf(2))[0]).toBe('session_reuse');
    await world.hub.gateway.admissionTools.limiter.terminate({ userId: 1, keyId: 1, sessionId: `talk-${conversations}` });
    await ask();
    expect(await rowOf(3)).toMatchObject({ providerId: 1 });
  });

  it('G02 what has moved stays where its prompt is cached; what begins goes to the better provider as soon as it is back', async () => {
    await world.publish(cheap(), dear());
    const moved = conversation();
    await moved();
    world.upstream.respond(overloaded, 'cheap');
    await moved();
    await moved();
    await conversation()();
    const records = await world.controlPlane.waitForRecords(4);
    expect(records.map((record) => record.providerId)).toEqual([1, 2, 2, 1]);
  });

  it('G03 a provider that is too slow to begin loses the conversation', async () => {
    await world.publish(cheap({ firstByteTimeoutMs: 150 }), dear());
    const ask = async () => (await messages(world.hub.url, { body: { stream: true, messages: turns, metadata: { user_id: 'user_a_account__session_slow' } } })).text();
    await ask();
    world.upstream.always(never(), 'cheap');
    expect(await ask()).toContain('message_stop');
    await ask();
    expect((await world.controlPlane.waitForRecords(3)).map((record) => record.providerId)).toEqual([1, 2, 2]);
    expect(world.calls('cheap')).toBe(2);
  });

  it('G03 equal ids and equal words of two callers are two conversations', async () => {
    const other = 'sk-of-somebody-else-000';
    await world.publish(user({ id: 2 }), key({ id: 2, userId: 2 }, other), dear());
    const ask = conversation();
    await ask();
    await ask({ 'x-api-key': other });
    const unnamed = (credential: string) => send(world.hub.url, { path: '/v1/messages', body: { model: 'claude-sonnet-4-5', max_tokens: 9, messages: turns } }, { key: credential });
    for (const credential of [testKey, other]) await (await unnamed(credential)).text();
    const records = await world.controlPlane.waitForRecords(4);
    expect(records.map((record) => [chainOf(record)[0]?.reason, record.requestSequence])).toEqual(Array.from({ length: 4 }, () => ['initial_selection', 1]));
    expect(records[2]?.sessionId).not.toBe(records[3]?.sessionId);
  });

  it('G05 the identity that a provider caches by survives the change of dialect', async () => {
    await world.publish(providerAt(world, 'main', { providerType: 'codex', allowedModels: ['claude-sonnet-4-5'] }));
    const session = '0199f000-0000-7000-8000-000000000001';
    const metadata = { user_id: `user_00ff_account__session_${session}` };
    const cached = [{ role: 'user', content: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }] }];
    for (let turn = 0; turn < 2; turn++) expect((await messages(world.hub.url, { body: { messages: cached, metadata } })).status).toBe(200);
    const keys = world.upstream.requests.map((request) => (request.json as { prompt_cache_key?: string }).prompt_cache_key);
    expect(keys).toEqual([session, session]);
  });

  it('G06 a conversation without an id is known again, wherever its cache marks have moved', async () => {
    await world.publish(cheap());
    const mark = { cache_control: { type: 'ephemeral' } };
    const text = (words: string, marked: boolean) => [{ type: 'text', text: words, ...(marked && mark) }];
    const talk = [
      [{ role: 'user', content: text('first words', true) }],
      [{ role: 'user', content: text('first words', false) }, { role: 'assistant', content: 'b' }, { role: 'user', content: text('more', true) }],
      [{ role: 'user', content: 'first words' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'more' }, { role: 'assistant', content: 'c' }, { role: 'user', content: text('yet more', true) }],
    ];
    for (const said of talk) expect((await messages(world.hub.url, { body: { messages: said } })).status).toBe(200);
    const records = await world.controlPlane.waitForRecords(3);
    expect(new Set(records.map((record) => record.sessionId)).size).toBe(1);
    expect(reasons(await rowOf(3))[0]).toBe('session_reuse');
  });

  it('G07 conversations that begin differently do not share an id', async () => {
    await world.publish(cheap());
    for (const content of ['one', 'two']) await messages(world.hub.url, { body: { messages: [{ role: 'user', content }] } });
    const records = await world.controlPlane.waitForRecords(2);
    expect(records[0]?.sessionId).not.toBe(records[1]?.sessionId);
  });
});

describe('a failure', () => {
  const failing = (init: Partial<wire.Provider> = {}) => providerAt(world, 'failing', { id: 1, priority: 0, ...init });
  const spare = () => providerAt(world, 'spare', { id: 2, priority: 1 });

  it.each([
    ...[500, 502, 503, 504, 529].map((code) => [String(code), status(code)] as const),
    ['a connection that is reset', hangUp({ reset: true })] as const,
    ['a connection that is reset after the head', cutAfter(0, healthy(), { reset: true })] as const,
    ['a connection that is reset after the preamble', cutAfter(200, healthy(), { reset: true })] as const,
  ])('G08 %s is not seen by a client whom somebody else can serve', async (_name, behaviour) => {
    await world.publish(failing(), spare());
    world.upstream.always(behaviour, 'failing');
    const response = await messages(world.hub.url, { body: { stream: true } });
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(text.match(/event: message_start/g)).toHaveLength(1);
    expect(text).toContain('message_stop');
  });

  it.each(['model is unavailable', 'Provider returned error', 'Unsupported parameter'])('G09 a 400 that says "%s" is tried where it may be right', async (message) => {
    await world.publish(failing(), spare());
    world.upstream.always(status(400, { type: 'error', error: { type: 'invalid_request_error', message } }), 'failing');
    expect((await messages(world.hub.url)).status).toBe(200);
    expect(await world.record()).toMatchObject({ providerId: 2 });
  });

  it('G14 its row says of everybody why, in order, and what was planned', async () => {
    await world.publish(
      failing(), spare(), providerAt(world, 'off', { id: 3, enabled: false }), providerAt(world, 'other', { id: 4, allowedModels: ['claude-x'] }), providerAt(world, 'codex', { id: 5, providerType: 'codex' }),
    );
    world.upstream.always(overloaded, 'failing');
    await messages(world.hub.url);
    const chain = chainOf(await world.record());
    expect(chain.map((item) => [item.id, item.reason, item.statusCode])).toEqual([[1, 'initial_selection', undefined], [1, 'retry_failed', 529], [2, 'retry_success', 200]]);
    expect(chain[1]?.['errorMessage']).toMatch(/Overloaded/);
    expect(chain[0]?.['decisionContext']).toMatchObject({
      filteredProviders: [{ id: 3, reason: 'disabled' }, { id: 4, reason: 'model_not_allowed' }, { id: 5, reason: 'format_type_mismatch' }],
      priorityLevels: [0, 1],
      selectedPriority: 0,
    });
  });

  it('G15 after the first word nobody else begins again: the stream ends with an error of its dialect', async () => {
    await world.publish(failing(), spare());
    world.upstream.always(cutAfter(900), 'failing');
    const text = await (await messages(world.hub.url, { body: { stream: true } })).text();
    expect(text.match(/event: message_start/g)).toHaveLength(1);
    expect(text).toMatch(/event: error\ndata: .*\n\n$/);
    expect(world.calls('spare')).toBe(0);
  });

  it('G16 nobody is asked again for a client that has left', async () => {
    await world.publish(failing({ maxRetryAttempts: 10 }), spare());
    world.upstream.always(status(500), 'failing');
    const abort = new AbortController();
    const pending = messages(world.hub.url, { signal: abort.signal }).catch(() => undefined);
    await world.upstream.waitForRequests(1);
    abort.abort();
    await pending;
    expect(await world.record()).toMatchObject({ statusCode: 499 });
    expect(world.calls('failing')).toBeLessThan(10);
    expect(world.calls('spare')).toBe(0);
  });

  describe('whose text does not end', () => {
    afterEach(() => {
      vi.useRealTimers();
    });

    it('G13 is not waited for', async () => {
      await world.publish(failing(), spare());
      const stall = stallAfter(0, status(500));
      world.upstream.always(stall, 'failing');
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const pending = messages(world.hub.url);
      await stall.reached;
      await vi.waitUntil(() => vi.getTimerCount() > 0 && (vi.advanceTimersByTime(10_000), world.calls('spare') === 1));
      vi.useRealTimers();
      expect((await pending).status).toBe(200);
    });
  });

  it('G13 a stream goes on whatever happens to its provider meanwhile', async () => {
    await world.publish(spare());
    const steps = stepwise();
    world.upstream.respond(steps, 'spare');
    const pending = messages(world.hub.url, { body: { stream: true } });
    await steps.next(5);
    const response = await pending;
    await readUntil(response, (text) => text.includes('Hello'));
    await world.publish(providerAt(world, 'spare', { id: 2, proxyUrl: 'http://127.0.0.1:1' }));
    await world.publish(failing());
    await Promise.all(Array.from({ length: 20 }, async () => (await messages(world.hub.url)).text()));
    await steps.rest();
    expect(await readUntil(response, (text) => text.includes('message_stop'))).toContain('message_stop');
  });
});

describe('the breaker of a provider', () => {
  const rule = { case: 'errorRule' as const, value: create(wire.ErrorRuleSchema, { id: 1, pattern: 'too long', matchType: 'contains', category: 'prompt_limit' }) };
  const main = (init: Partial<wire.Provider> = {}) => providerAt(world, 'main', { breakerFailureThreshold: 1, breakerOpenMs: 3_600_000, breakerHalfOpenSuccesses: 1, ...init });
  let ids = 50;
  /** A provider whose breaker has no history. */
  const publishFresh = async (init: Partial<wire.Provider> = {}, ...rows: Row[]) => {
    ids += 1;
    await world.publish(rule, main({ id: ids, ...init }), ...rows);
    return ids;
  };
  const phase = (id: number) => world.hub.gateway.attemptTools.breakers.phase(id, { failureThreshold: 1, openMs: 3_600_000, halfOpenSuccesses: 1 }, Date.now());
  const leave = async (stream: boolean) => {
    const abort = new AbortController();
    const pending = messages(world.hub.url, { body: { stream }, signal: abort.signal });
    await world.upstream.waitForRequests(1);
    if (stream) await (await pending).body?.getReader().read();
    abort.abort();
    await pending.catch(() => undefined);
    await world.record();
  };
  const ask = async (init: Parameters<typeof messages>[1] = {}) => void (await (await messages(world.hub.url, init)).text());

  const harmless: [string, ReturnType<typeof status>, () => Promise<void>][] = [
    ...[400, 404, 413, 422].map((code): [string, ReturnType<typeof status>, () => Promise<void>] => [`a ${code}`, status(code), () => ask()]),
    ['what a rule calls the client’s fault', status(500, 'prompt is too long'), () => ask()],
    ['a client that left before the answer', never(), () => leave(false)],
    ['a client that left in the middle', stallAfter(5), () => leave(true)],
  ];
  it.each(harmless)('G11 does not open for %s', async (_name, behaviour, request) => {
    const id = await publishFresh();
    world.upstream.respond(behaviour, 'main');
    await request();
    expect(phase(id)).toBe('closed');
    expect((await messages(world.hub.url)).status).toBe(200);
  });

  it.each([429, 500])('G10 does not open for a %d to a question about tokens', async (code) => {
    const id = await publishFresh();
    world.upstream.respond(status(code), 'main');
    await ask({ path: '/v1/messages/count_tokens' });
    expect(world.calls('main')).toBe(1);
    expect(phase(id)).toBe('closed');
    expect((await messages(world.hub.url)).status).toBe(200);
  });

  const trials: [string, ReturnType<typeof status>, () => Promise<void>][] = [...harmless, ['a failure', status(500), () => ask()]];
  it.each(trials)('G12 gives the place of a trial back after %s', async (_name, behaviour, request) => {
    const id = await publishFresh({ breakerOpenMs: 1 });
    world.upstream.respond(status(500), 'main');
    await ask();
    await eventually(() => 'the first row', async () => world.controlPlane.records[0]);
    world.controlPlane.records.length = 0;
    world.upstream.reset();
    world.upstream.respond(behaviour, 'main');
    await request();
    // Were the only place taken, nobody could be asked.
    expect((await messages(world.hub.url)).status).toBe(200);
    expect(phase(id)).toBe('closed');
  });
});
