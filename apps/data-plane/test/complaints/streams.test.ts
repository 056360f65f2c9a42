import { type Dialect, dialects, SseDecoder, validateStream } from '@hub/protocol';
import { anthropicStream, type Behaviour, chatStream, geminiStream, gzip, healthy, healthyAnswer, htmlPage, responsesStream, say, stallAfter, status, stepwise } from '@hub/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { messages } from '../boot.ts';
import { chainOf, clients, providerAt, readUntil, send, useWorld } from './world.ts';

/** What users of other gateways complained about: streams that are cut, delayed, garbled or illegal on the wire. */

const world = useWorld();
const pairs = dialects.flatMap((from) => dialects.map((to) => [from, to] as const));
const streamOf: Readonly<Record<Dialect, () => string[]>> = { anthropic: anthropicStream, 'openai-chat': chatStream, 'openai-responses': responsesStream, gemini: geminiStream };
/** A provider of `to` that serves the model that a client of `from` asks for. */
const serve = (from: Dialect, to: Dialect) => world.publish(providerAt(world, 'main', { providerType: clients[to].type, allowedModels: [clients[from].model] }));
const ask = (dialect: Dialect, stream = true) => send(world.hub.url, clients[dialect].ask(stream));
const script = (behaviour: Behaviour) => world.upstream.always(behaviour, 'main');
const problems = (dialect: Dialect, text: string) => {
  const decoder = new SseDecoder();
  return validateStream(dialect, [...decoder.push(Buffer.from(text)), ...decoder.end()]);
};

describe('encodings that nobody asked for', () => {
  it.each(pairs.filter(([, to]) => to === 'anthropic' || to === 'openai-chat'))('E07, E08 %s client, gzip of %s: read, counted, and no header tells of it', async (from, to) => {
    await serve(from, to);
    for (const stream of [true, false]) {
      script(gzip());
      const response = await ask(from, stream);
      expect(response.headers.get('content-encoding')).toBeNull();
      const text = await response.text();
      expect(response.headers.get('content-length') ?? String(Buffer.byteLength(text))).toBe(String(Buffer.byteLength(text)));
      expect(text).toContain('Hello');
      if (stream) expect(problems(from, text)).toEqual([]);
      expect(Number((await world.record()).usage?.output)).toBe(42);
      expect(String(world.upstream.requests[0]?.headers['accept-encoding'])).toBe('identity');
    }
  });

  it.each([true, false])('E07 one that cannot be undone is no answer, stream %s', async (stream) => {
    await world.publish(providerAt(world, 'main'), providerAt(world, 'spare', { id: 2, priority: 1 }));
    script({ answer: (request) => ({ ...healthyAnswer(request), headers: { ...healthyAnswer(request).headers, 'content-encoding': 'zstd' }, frames: [Buffer.from('28b52ffd0458', 'hex')] }) });
    const response = await ask('anthropic', stream);
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.text()).toContain('Hello');
  });
});

describe('time', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(pairs.filter(([from, to]) => from === to || to === 'anthropic'))('E15 the first words of %s from %s do not wait for the next', async (from, to) => {
    await serve(from, to);
    const steps = stepwise();
    script(steps);
    const pending = ask(from);
    await steps.next(streamOf[to]().findIndex((frame) => frame.includes('Hello')) + 1);
    expect(await readUntil(await pending, (text) => text.includes('Hello'))).not.toContain('upstream');
    await steps.rest();
  });

  it.each(dialects)('E14 while nobody speaks a client of %s gets a sign of life, and its stream stays legal', async (dialect) => {
    await serve(dialect, dialect);
    const stall = stallAfter(Math.ceil(streamOf[dialect]().length / 2));
    script(stall);
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const response = await ask(dialect);
    const before = await readUntil(response, (text) => text.includes('Hello'));
    vi.advanceTimersByTime(15_000);
    const life = await readUntil(response, (text) => text !== '');
    vi.useRealTimers();
    stall.resume();
    const after = await readUntil(response, (text) => /message_stop|\[DONE\]|response\.completed|finishReason/.test(text));
    expect(problems(dialect, `${before}${life}${after}`)).toEqual([]);
  });
});

describe('what is no stream', () => {
  it.each(pairs.filter(([from, to]) => from !== to))('E09, E10 %s client, a page or nothing from %s: an error in its own words', async (from, to) => {
    await serve(from, to);
    for (const behaviour of [htmlPage(), htmlPage(502), say([])]) {
      script(behaviour);
      const response = await ask(from);
      expect(response.status).toBe(503);
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
      const body = (await response.json()) as { type?: string; error: { status?: string; message: string } };
      expect(body.error.message).not.toContain('<');
      expect(body.type).toBe(from === 'anthropic' ? 'error' : undefined);
      expect(body.error.status).toBe(from === 'gemini' ? 'UNAVAILABLE' : undefined);
    }
  });
});

describe('thinking that another provider has signed', () => {
  const thinking = { type: 'enabled', budget_tokens: 1024 };
  const thought = { type: 'thinking', thinking: 'hm', signature: 'EqQBCg' };
  const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };
  const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok' };
  const body = (answer: unknown[], next: unknown) => ({ thinking, max_tokens: 2048, messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: answer }, { role: 'user', content: next }] });
  const refusal = status(400, { type: 'error', error: { type: 'invalid_request_error', message: 'messages.1.content.0: Invalid `signature` in `thinking` block' } });
  const seen = (index: number) => world.upstream.requests[index]?.json as { thinking?: unknown; messages: { content: { type: string }[] }[] } | undefined;
  const blocks = (index: number) => seen(index)?.messages[1]?.content.map((block) => block.type);

  it('F01 is left out when a provider refuses it, and the conversation goes on', async () => {
    await world.publish(providerAt(world, 'main'));
    world.upstream.respond(refusal, 'main');
    const response = await messages(world.hub.url, { body: body([thought, { type: 'text', text: 'b' }], 'c') });
    expect(response.status).toBe(200);
    expect([blocks(0), blocks(1)]).toEqual([['thinking', 'text'], ['text']]);
    expect(seen(1)?.thinking).toEqual(thinking);
    expect(chainOf(await world.record()).map((item) => item.reason)).toEqual(['initial_selection', 'reasoning_fallback', 'request_success']);
  });

  it('F01 in the middle of a call no more thinking is asked for, since the turn can not begin with any', async () => {
    await world.publish(providerAt(world, 'main'));
    world.upstream.respond(refusal, 'main');
    const context = { context_management: { edits: [{ type: 'clear_thinking_20251015' }, { type: 'clear_tool_uses_20250919' }] } };
    expect((await messages(world.hub.url, { body: { ...body([thought, call], [result]), ...context } })).status).toBe(200);
    expect(blocks(1)).toEqual(['tool_use']);
    expect(seen(1)).toMatchObject({ context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } });
    expect(seen(1)?.thinking).toBeUndefined();
  });

  it('F01 is tried without it once, and never where there is none', async () => {
    await world.publish(providerAt(world, 'main'));
    script(refusal);
    expect((await messages(world.hub.url, { body: body([thought, { type: 'text', text: 'b' }], 'c') })).status).toBe(400);
    expect(world.calls('main')).toBe(2);
    expect((await messages(world.hub.url, { body: body([{ type: 'text', text: 'b' }], 'c') })).status).toBe(400);
    expect(world.calls('main')).toBe(3);
  });

  it('F02 reaches a provider that takes it letter by letter', async () => {
    await world.publish(providerAt(world, 'main'));
    script(healthy());
    const sent = body([thought, { type: 'text', text: 'b' }], 'c');
    await messages(world.hub.url, { body: sent });
    expect(world.upstream.requests[0]?.text).toContain(JSON.stringify(sent.messages));
  });
});
