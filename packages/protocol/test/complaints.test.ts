import { describe, expect, it } from 'vitest';
import { keepAlive, parseUsage, stripReasoning, usageTotal } from '../src/index.ts';
import { SseDecoder, dialects, validateStream } from '../src/index.ts';
import type { Dialect } from '../src/index.ts';
import { at, chatStream, geminiStream, messageStream, messageText, request, stream, user, whole } from './converting.ts';
import { dataFrames, namedFrames, pixel } from './cases/names.ts';

/** What users of other gateways complained about, by the register's numbers, as far as conversion can be at fault. */

const cachedChat = { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010, prompt_tokens_details: { cached_tokens: 900 } };
const writes = { input_tokens: 5, cache_creation_input_tokens: 300, cache_read_input_tokens: 700, output_tokens: 1 };

function chatAnswer(usage: object): unknown {
  return { id: 'chatcmpl-1', choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }], usage };
}

function messageAnswer(usage: object): unknown {
  return { id: 'msg_1', type: 'message', content: [{ type: 'text', text: 'x' }], stop_reason: 'end_turn', usage };
}

describe('D: token arithmetic', () => {
  it('D01 cached tokens are inside the prompt for OpenAI and beside it for Anthropic, and never counted twice', () => {
    const message = whole('openai-chat', 'anthropic', chatAnswer(cachedChat));
    expect(message.usage).toMatchObject({ input_tokens: 100, cache_read_input_tokens: 900, output_tokens: 10 });
    const completion = whole('anthropic', 'openai-chat', messageAnswer(writes));
    expect(completion.usage).toMatchObject({ prompt_tokens: 1005, prompt_tokens_details: { cached_tokens: 700 }, total_tokens: 1006 });
  });

  it('D02 a cache write without a lifetime is a write of five minutes', () => {
    const { usage } = whole('openai-chat', 'anthropic', chatAnswer({ ...cachedChat, prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 400 } }));
    expect(usage).toMatchObject({ input_tokens: 600, cache_creation_input_tokens: 400, cache_creation: { ephemeral_5m_input_tokens: 400, ephemeral_1h_input_tokens: 0 } });
  });

  it.each(dialects.filter((dialect) => dialect !== 'anthropic'))('D03, D13 the whole input and the cache writes arrive in %s', (to: Dialect) => {
    const usage = parseUsage(to, whole('anthropic', to, messageAnswer(writes)));
    expect(usage && usageTotal(usage)).toBe(1006);
    expect(usage?.cacheRead).toBe(700);
  });

  it('D06 usage of message_start and message_delta is merged, not added', () => {
    const { converter } = stream('anthropic', 'openai-chat', messageStream(messageText('x'), { start: writes, end: { ...writes, output_tokens: 9 } }));
    expect(converter.usage).toMatchObject({ input: 5, cacheRead: 700, cacheWriteUnsplit: 300, output: 9 });
  });

  it('D07 cached tokens of an OpenAI stream are counted once for an Anthropic client', () => {
    const { payloads, converter } = stream('openai-chat', 'anthropic', chatStream([{ content: 'x' }], 'stop', cachedChat));
    expect(payloads.find((payload) => payload.type === 'message_delta')?.usage).toMatchObject({ input_tokens: 100, cache_read_input_tokens: 900 });
    expect(converter.usage).toMatchObject({ input: 100, cacheRead: 900 });
  });

  it('D11 image tokens of an answer stay apart', () => {
    const usageMetadata = { promptTokenCount: 5, candidatesTokenCount: 1292, candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1290 }], totalTokenCount: 1297 };
    const { converter } = stream('gemini', 'openai-chat', geminiStream([[{ inlineData: { mimeType: 'image/png', data: pixel } }]], 'STOP', usageMetadata));
    expect(converter.usage).toMatchObject({ output: 1292, outputImage: 1290 });
  });

  it('D12 message_start tells the input as soon as the upstream does, message_delta in any case', () => {
    const early = stream('gemini', 'anthropic', geminiStream([[{ text: 'x' }], [{ text: 'y' }]]));
    expect(at(early.payloads[0], 'message.usage.input_tokens')).toBe(5);
    const late = stream('openai-chat', 'anthropic', chatStream([{ content: 'x' }], 'stop', cachedChat));
    expect(late.payloads.find((payload) => payload.type === 'message_delta')?.usage).toMatchObject({ input_tokens: 100 });
  });

  it('D14 the model that answered is shown, not the one that was asked', () => {
    const answer = { ...(chatAnswer(cachedChat) as object), model: 'cheaper-model' };
    expect(whole('openai-chat', 'anthropic', answer).model).toBe('cheaper-model');
    expect(stream('openai-chat', 'anthropic', chatStream([{ content: 'x' }])).converter.model).toBe('m');
  });
});

describe('E: streams', () => {
  it('E01, E02, E03 odd framing and cut characters change nothing', () => {
    const odd = '\uFEFF: hello\r\ndata:{"choices":[{"index":0,"delta":{"content":"é👩‍👧"}}]}\r\n\r\ndata: {"choices":[{"index":0,\r\ndata: "delta":{"content":"!"},"finish_reason":"stop"}]}\r\r';
    const { payloads, problems } = stream('openai-chat', 'anthropic', `${odd}data: [DONE]`);
    expect(problems).toEqual([]);
    expect(payloads.filter((payload) => payload.type === 'content_block_delta').map((payload) => at(payload, 'delta.text'))).toEqual(['é👩‍👧', '!']);
  });

  it('E04 thinking and text never share a block, and a second message_start does not get through', () => {
    const start = { type: 'message_start', message: { id: 'msg_2', usage: {} } };
    const thinking = { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } };
    const mixed = [...messageText('a'), start, { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } }, thinking, { type: 'content_block_stop', index: 1 }];
    expect(stream('anthropic', 'openai-responses', messageStream(mixed)).problems).toEqual([]);
    const chat = chatStream([{ content: 'a' }, { reasoning_content: 'b' }, { content: 'c' }]);
    const { payloads, problems } = stream('openai-chat', 'anthropic', chat);
    expect(problems).toEqual([]);
    expect(payloads.filter((payload) => payload.type === 'content_block_start').map((payload) => at(payload, 'content_block.type'))).toEqual(['text', 'thinking', 'text']);
    expect(payloads.filter((payload) => payload.type === 'message_start')).toHaveLength(1);
  });

  it('E05 arguments that come only at the end are not lost', () => {
    const item = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '{"a":1}' };
    const frames = (last: object): string =>
      namedFrames([
        { type: 'response.created', response: { id: 'resp_1' } },
        { type: 'response.output_item.added', output_index: 0, item: { ...item, arguments: '' } },
        last,
        { type: 'response.completed', response: { status: 'completed', output: [item] } },
      ] as { type: string }[]);
    for (const last of [{ type: 'response.function_call_arguments.done', output_index: 0, arguments: '{"a":1}' }, { type: 'response.output_item.done', output_index: 0, item }, { type: 'response.in_progress', response: {} }]) {
      const { payloads } = stream('openai-responses', 'anthropic', frames(last));
      expect(payloads.filter((payload) => at(payload, 'delta.type') === 'input_json_delta').map((payload) => at(payload, 'delta.partial_json')).join('')).toBe('{"a":1}');
    }
  });

  it('E06 a tool name inside arguments or text is left alone', () => {
    const name = 'a_name_that_is_longer_than_the_sixty_four_characters_that_all_dialects_take';
    const asked = request('anthropic', 'openai-chat', user('x', { tools: [{ name, input_schema: {} }] }));
    const wire = [...asked.toolNames.keys()][0] ?? '';
    const frames = chatStream([{ content: `${wire} ` }, { tool_calls: [{ index: 0, id: 'c', function: { name: wire, arguments: JSON.stringify({ text: wire }) } }] }], 'tool_calls');
    const { payloads } = stream('openai-chat', 'anthropic', frames, { toolNames: asked.toolNames });
    expect(payloads.filter((payload) => payload.type === 'content_block_start').map((payload) => at(payload, 'content_block.name'))).toEqual([undefined, name]);
    expect(payloads.find((payload) => at(payload, 'delta.type') === 'input_json_delta')?.delta).toMatchObject({ partial_json: JSON.stringify({ text: wire }) });
  });

  it.each(dialects)('E09, E10 a page or nothing in the place of a stream becomes a legal error in %s', (to) => {
    const from = to === 'gemini' ? 'openai-chat' : 'gemini';
    for (const body of ['<html><title>502</title></html>', '', 'data: {"broken\n\n']) {
      const { problems, converter, payloads } = stream(from, to, body);
      expect(problems).toEqual([]);
      expect(converter.error?.status).toBe(502);
      expect(converter.contentSeen).toBe(false);
      expect(JSON.stringify(payloads.at(-1))).toContain('upstream');
    }
  });

  it('E11 what follows [DONE] is ignored, a forgotten reason is an end, a cut is not', () => {
    const text = (frames: string): unknown[] => stream('openai-chat', 'anthropic', frames).payloads.map((payload) => payload.type);
    const delta = { choices: [{ index: 0, delta: { content: 'x' } }] };
    expect(text(dataFrames([delta, '[DONE]', delta])).slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
    expect(text(dataFrames([delta])).at(-1)).toBe('error');
  });

  it.each([
    ['openai-chat', 'error'],
    ['openai-responses', 'response.failed'],
    ['gemini', 'error'],
  ] as const)('E12 an overloaded upstream reaches a client of %s as its own kind of error', (to, where) => {
    const frames = namedFrames([
      { type: 'message_start', message: { id: 'msg_1', usage: {} } },
      ...messageText('Hel').slice(0, 2),
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    ] as { type: string }[]);
    const { payloads, problems, converter } = stream('anthropic', to, frames);
    expect(problems).toEqual([]);
    expect(converter.error).toMatchObject({ status: 529, type: 'overloaded_error' });
    const last = payloads.at(-1);
    expect(last?.error ?? last?.type).toEqual(where === 'error' ? expect.objectContaining({ message: 'Overloaded' }) : where);
  });

  it('E13 the first chunk names the role, and no other does', () => {
    const { payloads } = stream('gemini', 'openai-chat', geminiStream([[{ text: 'a' }], [{ text: 'b' }]]));
    expect(payloads.map((payload) => at(payload, 'choices.0.delta.role')).filter((role) => role !== undefined)).toEqual(['assistant']);
    expect(at(payloads[0], 'choices.0.delta.role')).toBe('assistant');
  });

  it.each(dialects)('E14 a keep-alive between any two events leaves a stream of %s legal', (to) => {
    const from = to === 'anthropic' ? 'openai-chat' : 'anthropic';
    const frames = from === 'anthropic' ? messageStream(messageText('x')) : chatStream([{ content: 'x' }]);
    const { text } = stream(from, to, frames);
    const kept = text.trimEnd().split('\n\n').map((frame) => `${frame}\n\n`).join(keepAlive(to));
    expect(kept.length).toBeGreaterThan(text.length);
    expect(validateStream(to, new SseDecoder().push(new TextEncoder().encode(kept)))).toEqual([]);
  });
});

const thought = { type: 'thinking', thinking: 'hm', signature: 'hub1.r.0.AAAA' };
const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };
const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok' };
const tools = [{ name: 'f', input_schema: { type: 'object', properties: {} } }];

function afterCall(content: unknown[], more: object = {}): Record<string, unknown> {
  return user('x', { tools, messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content }, { role: 'user', content: [result] }], ...more });
}

describe('F: tools, thinking, system', () => {
  it('F01 a seal goes back to the provider that made it and to no other', () => {
    const own = request('anthropic', 'openai-responses', afterCall([thought, call]), { sameProvider: true, targetModel: 'gpt-5' });
    expect(at(own.body, 'input.1')).toMatchObject({ type: 'reasoning', encrypted_content: 'AAAA' });
    const other = request('anthropic', 'openai-responses', afterCall([thought, call]), { targetModel: 'gpt-5' });
    expect(JSON.stringify(other.body)).not.toContain('AAAA');
    const native = request('anthropic', 'openai-responses', afterCall([{ ...thought, signature: 'EqQB' }, call]), { sameProvider: true, targetModel: 'gpt-5' });
    expect(JSON.stringify(native.body)).not.toContain('EqQB');
  });

  it('F01 before an upstream of the client dialect, only the seals of this hub are taken out', () => {
    const native = { ...thought, signature: 'EqQB' };
    const body = afterCall([thought, native, call]);
    expect(at(stripReasoning('anthropic', body), 'messages.1.content')).toEqual([native, call]);
    expect(at(stripReasoning('anthropic', body, 'all'), 'messages.1.content')).toEqual([call]);
    const clean = afterCall([native, call]);
    expect(stripReasoning('anthropic', clean)).toBe(clean);
  });

  it('F02 thinking is replayed to its provider letter by letter', () => {
    const text = ' 1.\n\n2. \u00e9 \ud83d\ude00 ';
    const frames = messageStream([{ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } }, { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: text } }, { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } }, { type: 'content_block_stop', index: 0 }]);
    const done = stream('anthropic', 'openai-responses', frames).payloads.find((payload) => payload.type === 'response.output_item.done')?.item;
    const again = request('openai-responses', 'anthropic', { model: 'm', input: [{ role: 'user', content: 'x' }, done, { role: 'user', content: 'y' }] }, { sameProvider: true });
    expect(at(again.body, 'messages.1.content.0')).toEqual({ type: 'thinking', thinking: text, signature: 'c2ln' });
  });

  it('F03 reasoning_content comes back in turns with tool calls', () => {
    const { body } = request('anthropic', 'openai-chat', afterCall([{ ...thought, signature: 'hub1.c.0.' }, call]), { sameProvider: true, targetModel: 'kimi-k2' });
    expect(at(body, 'messages.1.reasoning_content')).toBe('hm');
  });

  it.each([
    ['gemini', 'gemini-2.5-pro'],
    ['openai-chat', 'qwen3-coder'],
  ] as const)('F04 a system message in the middle is no system message for %s', (to, targetModel) => {
    const { body } = request('anthropic', to, user('x', { messages: [{ role: 'user', content: 'x' }, { role: 'system', content: 'Mind the gap.' }, { role: 'assistant', content: 'y' }, { role: 'user', content: 'z' }] }), { targetModel });
    const turns = (body.contents ?? body.messages) as { role: string }[];
    expect(turns.map((turn) => turn.role)).toEqual(['user', to === 'gemini' ? 'model' : 'assistant', 'user']);
    expect(JSON.stringify(turns[0])).toContain('<system-reminder>\\nMind the gap.');
  });

  it.each(['openai-chat', 'openai-responses', 'gemini'] as const)('F05 an image in a tool result reaches %s', (to) => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } };
    const messages = [{ role: 'user', content: 'x' }, { role: 'assistant', content: [call] }, { role: 'user', content: [{ ...result, content: [image] }] }];
    expect(JSON.stringify(request('anthropic', to, user('x', { tools, messages })).body)).toContain(pixel);
  });

  it('F06 calls without results and results without calls are put right', () => {
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      { role: 'user', content: 'never mind' },
      { role: 'tool', tool_call_id: 'b', content: 'lost' },
    ];
    const { body, drops } = request('openai-chat', 'anthropic', { model: 'm', tools: [{ type: 'function', function: { name: 'f' } }], messages });
    expect(at(body, 'messages.2.content.0')).toMatchObject({ type: 'tool_result', tool_use_id: 'a', is_error: true });
    expect(at(body, 'messages.2.content.3.text')).toBe('lost');
    expect(at(body, 'tools.0.input_schema')).toEqual({ type: 'object', properties: {} });
    expect(drops.map((drop) => drop.code)).toEqual(expect.arrayContaining(['tool-result-missing', 'tool-result-orphan']));
  });

  it('F07 the wish to cache survives as a key, and a key as breakpoints', () => {
    const metadata = { user_id: 'user_00ff_account__session_0199f000-0000-7000-8000-000000000001' };
    const cached = user([{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }], { metadata });
    expect(request('anthropic', 'openai-responses', cached).body.prompt_cache_key).toBe('0199f000-0000-7000-8000-000000000001');
    const messages = [{ role: 'system', content: 's' }, { role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }];
    const { body } = request('openai-chat', 'anthropic', { model: 'm', messages, prompt_cache_key: 'k' });
    const marked = { cache_control: { type: 'ephemeral' } };
    expect([at(body, 'system.0'), at(body, 'messages.0.content.0'), at(body, 'messages.2.content.0')]).toEqual([expect.objectContaining(marked), expect.objectContaining(marked), expect.objectContaining(marked)]);
  });

  it.each(dialects)('F08 nothing is asked for that the client did not ask for (%s)', (to) => {
    const from = to === 'openai-chat' ? 'anthropic' : 'openai-chat';
    const { body } = request(from, to, user('x'), { targetModel: to === 'openai-responses' ? 'gpt-5.1' : 'm' });
    const names: Record<Dialect, string[]> = {
      anthropic: ['max_tokens', 'messages', 'model'],
      'openai-chat': ['max_tokens', 'messages', 'model'],
      'openai-responses': ['input', 'max_output_tokens', 'model', 'store'],
      gemini: ['contents', 'generationConfig'],
    };
    expect(Object.keys(body).sort()).toEqual(names[to]);
    expect(JSON.stringify(body)).not.toContain('cache_control');
  });

  it('F09 a tool that cannot be offered is reported or refused, never just gone', () => {
    const served = request('openai-responses', 'anthropic', { model: 'm', input: 'x', tools: [{ type: 'file_search', vector_store_ids: ['v'] }] });
    expect(served.drops.map((drop) => drop.code)).toEqual(expect.arrayContaining(['server-tool']));
    expect(() => request('openai-responses', 'anthropic', { model: 'm', input: 'x', tools: [{ type: 'local_shell' }] })).toThrow(/tools\[0\]: /);
  });

  it('F10 a thinking budget below the least becomes the least, or none where it does not fit', () => {
    const asked = (config: object): Record<string, unknown> => request('gemini', 'anthropic', { contents: [{ parts: [{ text: 'x' }] }], generationConfig: { thinkingConfig: { thinkingBudget: 500 }, ...config } }, { targetModel: 'claude-sonnet-4' }).body;
    expect(asked({}).thinking).toEqual({ type: 'enabled', budget_tokens: 1024 });
    expect(asked({ maxOutputTokens: 800 }).thinking).toBeUndefined();
    expect(asked({ maxOutputTokens: 800 }).max_tokens).toBe(800);
  });

  it('F11 stop becomes a list, a refusal a content filter, a limit an incomplete answer', () => {
    expect(request('openai-chat', 'gemini', { model: 'm', messages: [{ role: 'user', content: 'x' }], stop: '!' }).body.generationConfig).toMatchObject({ stopSequences: ['!'] });
    expect(at(whole('anthropic', 'openai-chat', { content: [], stop_reason: 'refusal' }), 'choices.0.finish_reason')).toBe('content_filter');
    expect(whole('anthropic', 'openai-responses', { content: [], stop_reason: 'max_tokens' })).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(at(whole('openai-responses', 'openai-chat', { status: 'incomplete', incomplete_details: { reason: 'content_filter' }, output: [] }), 'choices.0.finish_reason')).toBe('content_filter');
  });

  it('F12 nulls, tools of image generation in a namespace, efforts that only some models know, calls without ids', () => {
    const nulls = { model: 'm', input: 'x', instructions: null, tools: null, tool_choice: null, reasoning: null, text: null, metadata: null, max_output_tokens: null, user: null };
    expect(request('openai-responses', 'anthropic', nulls).drops.map((drop) => drop.code)).toEqual(['max-tokens-default']);
    const inside = { type: 'namespace', name: 'media', tools: [{ type: 'image_generation' }, { type: 'function', name: 'show' }] };
    const { body, drops } = request('openai-responses', 'anthropic', { model: 'm', input: 'x', tools: [inside] });
    expect(at(body, 'tools.0.name')).toBe('media__show');
    expect(drops.map((drop) => drop.code)).toContain('server-tool');
    expect(request('openai-responses', 'openai-chat', { model: 'm', input: 'x', reasoning: { effort: 'xhigh' } }, { targetModel: 'gpt-5' }).body.reasoning_effort).toBe('high');
    expect(request('openai-responses', 'openai-chat', { model: 'm', input: 'x', reasoning: { effort: 'xhigh' } }, { targetModel: 'gpt-5.2' }).body.reasoning_effort).toBe('xhigh');
    const { payloads } = stream('gemini', 'openai-chat', geminiStream([[{ functionCall: { name: 'f' } }, { functionCall: { name: 'f', args: { a: 1 } } }]]));
    const ids = payloads.map((payload) => at(payload, 'choices.0.delta.tool_calls.0.id')).filter((id) => id !== undefined);
    expect(new Set(ids).size).toBe(2);
  });

  it('F13 a field that nobody knows yet is reported and does not reach the upstream', () => {
    const { body, drops } = request('openai-chat', 'anthropic', { model: 'm', messages: [{ role: 'user', content: 'x' }], brand_new: { a: 1 } });
    expect(JSON.stringify(body)).not.toContain('brand_new');
    expect(drops).toEqual(expect.arrayContaining([expect.objectContaining({ code: 'unknown-field', path: 'brand_new', action: 'dropped' })]));
    expect(request('openai-chat', 'openai-responses', { model: 'm', messages: [{ role: 'user', content: 'x' }], prompt_cache_retention: '24h' }).body.prompt_cache_retention).toBe('24h');
  });
});
