import type { UsageRecord } from '@hub/contract';
import { create, wire } from '@hub/contract';
import { type Dialect, dialects } from '@hub/protocol';
import {
  anthropicStream, type Behaviour, chatStream, emptyBody, geminiStream, healthy, healthyAnswer, never, responsesStream, say, sse, stallAfter, status, stepwise,
} from '@hub/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Fields, key, messages, user } from '../boot.ts';
import { chainOf, clients, providerAt, readUntil, send, useWorld } from './world.ts';

/** What users of other gateways complained about: usage that is lost, invented or charged twice. */

const world = useWorld();
const streamOf: Readonly<Record<Dialect, () => string[]>> = { anthropic: anthropicStream, 'openai-chat': chatStream, 'openai-responses': responsesStream, gemini: geminiStream };
const serveFrom = (dialect: Dialect, init: Fields<wire.Provider> = {}) => world.publish(providerAt(world, 'main', { providerType: clients[dialect].type, ...init }));
const ask = (dialect: Dialect, stream: boolean, signal?: AbortSignal) => send(world.hub.url, clients[dialect].ask(stream), signal && { signal });
const script = (behaviour: Behaviour) => world.upstream.always(behaviour, 'main');
const output = (record: UsageRecord) => Number(record.usage?.output ?? 0);
/** A word of the scripted answer has reached the client. */
const begun = (text: string) => text.includes('Hello');

describe('what is charged is what was reported', () => {
  // By hand: input × 1e-6 + output × 2e-6 + cache read × 1e-7 + writes of 5 minutes × 1.25e-6, of an hour × 2e-6.
  const openai = { cost: 296e-6 + 42 * 2e-6 + 1024e-7, usage: { input: 296n, output: 42n, cacheRead: 1024n, cacheWrite5m: 0n, cacheWrite1h: 0n } };
  const anthropic = { cost: 120e-6 + 42 * 2e-6 + 3000e-7 + 150 * 1.25e-6 + 50 * 2e-6, usage: { input: 120n, output: 42n, cacheRead: 3000n, cacheWrite5m: 150n, cacheWrite1h: 50n } };

  it.each(dialects.flatMap((dialect) => [false, true].map((stream) => [dialect, stream ? 'streamed' : 'whole', stream] as const)))(
    'A12, A13, D03, D07 %s, %s: to the token, in the row and in the counters',
    async (dialect, _how, stream) => {
      const id = 20 + dialects.indexOf(dialect) * 2 + Number(stream);
      const owner = user({ id, limits: create(wire.SpendLimitsSchema, { totalNanos: 1n }) });
      await world.publish(owner, key({ id, userId: id }, `sk-counted-${id}`), providerAt(world, 'main', { providerType: clients[dialect].type }));
      const request = () => send(world.hub.url, clients[dialect].ask(stream), { key: `sk-counted-${id}` });
      await (await request()).text();
      const expected = dialect === 'anthropic' ? anthropic : openai;
      const record = await world.record();
      expect(record).toMatchObject({ usageEstimated: false, usage: expected.usage });
      expect(Number(record.costUsd)).toBeCloseTo(expected.cost, 12);
      const { error } = (await (await request()).json()) as { error: { limit_type: string; current: number } };
      expect(error.limit_type).toBe('usd_total');
      expect(error.current).toBeCloseTo(expected.cost, 9);
    },
  );

  it('D04, D05 an hour’s cache writes cost what an hour costs, cached tokens what cached tokens cost', async () => {
    await serveFrom('anthropic');
    script(healthy({ usage: { cacheRead: 1_000_000, cacheWrite1h: 1_000_000 } }));
    await (await ask('anthropic', true)).text();
    expect(Number((await world.record()).costUsd)).toBeCloseTo(0.1 + 2, 9);
  });
});

describe('the client leaves', () => {
  it.each(dialects)('C06, C08, C10 %s: before, at and in the middle of the answer, each leaves exactly one row', async (dialect) => {
    await serveFrom(dialect);
    const behaviours = [never(), stallAfter(0), stallAfter(Math.ceil(streamOf[dialect]().length / 2))];
    for (const [index, behaviour] of behaviours.entries()) {
      world.upstream.respond(behaviour, 'main');
      const abort = new AbortController();
      const pending = ask(dialect, true, abort.signal);
      await world.upstream.waitForRequests(index + 1);
      if (index === 2) await readUntil(await pending, begun);
      abort.abort();
      await pending.catch(() => undefined);
      await world.upstream.requests[index]?.whenAborted;
    }
    const records = await world.controlPlane.waitForRecords(3);
    expect(records.map((record) => record.statusCode).toSorted()).toEqual([200, 499, 499]);
    expect(new Set(records.map((record) => record.id)).size).toBe(3);
    const seen = records.find((record) => record.statusCode === 200);
    expect(Number(seen?.usage?.input)).toBeGreaterThan(0);
    expect(Number(seen?.costUsd)).toBeGreaterThan(0);
  });

  it('C02 before the provider has counted anything: nothing is charged, however long the prompt', async () => {
    await serveFrom('openai-chat');
    // The role is all that comes.
    script(stallAfter(1));
    const abort = new AbortController();
    const { path, body } = clients['openai-chat'].ask(true);
    const pending = send(world.hub.url, { path, body: { ...body, messages: [{ role: 'user', content: 'words '.repeat(50_000) }] } }, { signal: abort.signal });
    await world.upstream.waitForRequests(1);
    abort.abort();
    await pending.catch(() => undefined);
    const record = await world.record();
    expect(record).toMatchObject({ statusCode: 499, costUsd: '0', usageEstimated: false });
    expect(record.usage).toBeUndefined();
  });

  it('C03 with "drain" the provider is heard to the end, and its own numbers are charged', async () => {
    await serveFrom('anthropic', { onClientAbort: 'drain' });
    const steps = stepwise();
    script(steps);
    const abort = new AbortController();
    const pending = ask('anthropic', true, abort.signal);
    await world.upstream.waitForRequests(1);
    await steps.next(4);
    await readUntil(await pending, begun);
    abort.abort();
    await steps.rest();
    expect(await world.record()).toMatchObject({ usageEstimated: false, usage: { input: 120n, output: 42n } });
    expect(world.upstream.requests[0]?.aborted).toBe(false);
  });

  it('C04 with "cancel" the provider is told at once, and what it had said so far is all that is charged', async () => {
    await serveFrom('anthropic', { onClientAbort: 'cancel' });
    const stall = stallAfter(4);
    script(stall);
    const abort = new AbortController();
    await readUntil(await ask('anthropic', true, abort.signal), begun);
    abort.abort();
    await world.upstream.requests[0]?.whenAborted;
    const record = await world.record();
    expect(Number(record.usage?.input)).toBe(120);
    expect(output(record)).toBeLessThan(20);
  });

  describe('and the provider is heard to the end', () => {
    afterEach(() => {
      vi.useRealTimers();
    });

    it('C11 but not beyond its silence', async () => {
      await serveFrom('anthropic', { onClientAbort: 'drain', streamIdleTimeoutMs: 200 });
      script(stallAfter(4));
      const abort = new AbortController();
      await readUntil(await ask('anthropic', true, abort.signal), begun);
      abort.abort();
      await world.upstream.requests[0]?.whenAborted;
      expect(await world.record()).toMatchObject({ usageEstimated: true });
    });

    it('C11 and not beyond a minute', async () => {
      await serveFrom('anthropic', { onClientAbort: 'drain' });
      script(stallAfter(4));
      const abort = new AbortController();
      await readUntil(await ask('anthropic', true, abort.signal), begun);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const listening = vi.getTimerCount();
      abort.abort();
      await vi.waitUntil(() => vi.getTimerCount() > listening);
      vi.advanceTimersByTime(60_000);
      vi.useRealTimers();
      await world.upstream.requests[0]?.whenAborted;
      expect(await world.record()).toMatchObject({ statusCode: 200 });
    });
  });
});

describe('a stream that does not end as it should', () => {
  const wordy = 'This is the text of an error and nothing that a model has said. '.repeat(1000);
  const chunk = (content: string) => sse('', { id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] });

  it('C01 the words of an error are nobody’s output', async () => {
    await serveFrom('openai-chat');
    script(say([chunk('One two three.'), sse('', { error: { message: wordy, type: 'server_error' } })]));
    await (await ask('openai-chat', true)).text();
    const record = await world.record();
    expect(record.usageEstimated).toBe(true);
    expect(output(record)).toBeLessThan(30);
    expect(record.statusCode).toBeGreaterThanOrEqual(500);
  });

  it.each(dialects)('C05, C13 %s: an end without its last event is no success, and the client is told', async (dialect) => {
    await serveFrom(dialect);
    const last = /message_delta|message_stop|"finish_reason":"|\[DONE\]|response\.completed|finishReason/;
    script({ answer: (request) => ({ ...healthyAnswer(request), frames: healthyAnswer(request).frames.filter((frame) => !last.test(String(frame))) }) });
    const text = await (await ask(dialect, true)).text();
    expect(text).toContain('Hello');
    expect(text).toMatch(/error|failed/);
    const record = await world.record();
    expect(record).toMatchObject({ statusCode: 502 });
    expect(record.errorMessage).toMatch(/before the answer was complete/);
  });

  it.each(dialects)('C05, C14 %s: a success without an answer is tried elsewhere, and only the answer is charged', async (dialect) => {
    const { type: providerType } = clients[dialect];
    const preamble = streamOf[dialect]().slice(0, 1).filter((frame) => !begun(frame));
    await world.publish(providerAt(world, 'main', { providerType }), providerAt(world, 'second', { id: 2, priority: 1, providerType }));
    for (const [count, behaviour] of [emptyBody(), say([]), say(preamble)].entries()) {
      world.upstream.respond(behaviour, 'main');
      await (await ask(dialect, true)).text();
      const record = (await world.controlPlane.waitForRecords(count + 1))[count];
      expect(record).toMatchObject({ statusCode: 200, providerId: 2, usage: { output: 42n } });
    }
  });

  it('C16 usage of an incomplete and of a failed response is kept', async () => {
    await serveFrom('openai-responses');
    const usage = { input_tokens: 70, output_tokens: 7, total_tokens: 77, input_tokens_details: { cached_tokens: 20 } };
    const frames = responsesStream().filter((frame) => !frame.includes('response.completed'));
    const ends = [['response.incomplete', 'incomplete'], ['response.failed', 'failed']] as const;
    for (const [count, [type, state]] of ends.entries()) {
      script(say([...frames, sse(type, { type, sequence_number: 99, response: { id: 'r', status: state, error: state === 'failed' ? { code: 'server_error', message: 'x' } : null, usage } })]));
      await (await ask('openai-responses', true)).text();
      const record = (await world.controlPlane.waitForRecords(count + 1))[count];
      expect(record).toMatchObject({ usageEstimated: false, usage: { input: 50n, cacheRead: 20n, output: 7n } });
      expect(record?.statusCode).toBe(state === 'failed' ? 500 : 200);
    }
  });
});

describe('rows', () => {
  it('C07 answers with one id of the provider’s are two rows with two ids of ours', async () => {
    await serveFrom('anthropic');
    const texts = [await (await messages(world.hub.url)).text(), await (await messages(world.hub.url)).text()];
    expect((JSON.parse(texts[0] ?? '') as { id: string }).id).toBe((JSON.parse(texts[1] ?? '') as { id: string }).id);
    const records = await world.controlPlane.waitForRecords(2);
    expect(new Set(records.map((record) => record.id)).size).toBe(2);
  });

  it('C09 of several attempts only the one that answered is charged', async () => {
    await world.publish(providerAt(world, 'main', { maxRetryAttempts: 3 }), providerAt(world, 'second', { id: 2, priority: 1 }));
    script(status(529));
    await (await ask('anthropic', true)).text();
    const record = await world.record();
    expect(chainOf(record).filter((item) => item.reason === 'retry_failed')).toHaveLength(3);
    expect(record).toMatchObject({ providerId: 2, usage: { input: 120n, output: 42n } });
  });

  it('D11 a redirected model with a price per request is charged per request', async () => {
    const perRequest = { case: 'price' as const, value: create(wire.ModelPriceSchema, { model: 'painter', priceJson: JSON.stringify({ mode: 'chat', input_cost_per_request: 0.04 }) }) };
    await world.publish(perRequest, providerAt(world, 'main', { providerType: 'openai-compatible', modelRedirects: { painter: 'painter-2' } }));
    const { path, body } = clients['openai-chat'].ask(false);
    await (await send(world.hub.url, { path, body: { ...body, model: 'painter' } })).text();
    expect(await world.record()).toMatchObject({ originalModel: 'painter', model: 'painter-2', costUsd: '0.04' });
  });
});
