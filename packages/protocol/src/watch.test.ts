import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, geminiAnswers, samples, sampleTexts, streamOf } from '../test/samples.ts';
import { dialects, emptyUsage, encodeSse, parseUsage, utf8Length, watchJson, watchStream } from './index.ts';
import type { Dialect, SseEvent, Watcher } from './index.ts';

const sampleBytes = utf8Length(sampleTexts.thinking + sampleTexts.text + sampleTexts.arguments);

function watch(watcher: Watcher, ...chunks: Uint8Array[]): Watcher {
  for (const chunk of chunks) watcher.push(chunk);
  watcher.end();
  return watcher;
}

function watchText(dialect: Dialect, text: string): Watcher {
  return watch(watchStream(dialect), bytesOf(text));
}

function watchBody(dialect: Dialect, body: unknown): Watcher {
  return watch(watchJson(dialect), bytesOf(typeof body === 'string' ? body : JSON.stringify(body)));
}

/** Everything that a watcher says. */
function seen(watcher: Watcher): Record<string, unknown> {
  const { usage, usageFinal, contentSeen, error, finished, model, promptCacheKey, responseId, serviceTier, sequenceNumber, textBytes } = watcher;
  return { usage, usageFinal, contentSeen, error, finished, model, promptCacheKey, responseId, serviceTier, sequenceNumber, textBytes };
}

const identity: Record<Dialect, Record<string, unknown>> = {
  anthropic: { model: 'claude-sonnet-4-5', responseId: 'msg_1', serviceTier: 'standard', sequenceNumber: undefined },
  'openai-chat': { model: 'gpt-4o', responseId: 'chatcmpl-1', serviceTier: 'default' },
  'openai-responses': { model: 'gpt-5-codex', responseId: 'resp_1', serviceTier: 'default', promptCacheKey: 'thread-1', sequenceNumber: samples['openai-responses'].length - 1 },
  gemini: { model: 'gemini-2.5-pro', responseId: 'r1' },
};

describe('a whole stream', () => {
  it.each(dialects)('%s: usage, end, names and text are seen', (dialect) => {
    const watcher = watch(watchStream(dialect), streamOf(samples[dialect]));
    const payloads = samples[dialect].filter((event) => event.data !== '[DONE]').map((event) => JSON.parse(event.data) as unknown);
    expect(seen(watcher)).toMatchObject({
      ...identity[dialect],
      usage: parseUsage(dialect, payloads),
      usageFinal: true,
      contentSeen: true,
      finished: true,
      error: undefined,
      textBytes: sampleBytes,
    });
    expect(watcher.usage?.output).toBe(42);
  });

  it.each(dialects)('%s: cut at every byte, and in pieces of any size, it says the same', (dialect) => {
    const bytes = streamOf(samples[dialect]);
    const whole = seen(watch(watchStream(dialect), bytes));
    for (let at = 0; at <= bytes.length; at += 1) expect(seen(watch(watchStream(dialect), bytes.subarray(0, at), bytes.subarray(at)))).toEqual(whole);
    for (const size of [1, 5, 50]) {
      const watcher = watchStream(dialect);
      for (let at = 0; at < bytes.length; at += size) watcher.push(bytes.subarray(at, at + size));
      watcher.end();
      expect(seen(watcher)).toEqual(whole);
    }
  });

  it.each(dialects)('%s: before its last events it is neither finished nor counted', (dialect) => {
    const watcher = watch(watchStream(dialect), streamOf(samples[dialect].slice(0, 4)));
    expect(seen(watcher)).toMatchObject({ contentSeen: true, finished: false, usageFinal: false, error: undefined });
  });

  it('Gemini as a JSON array, however it is cut', () => {
    const bytes = bytesOf(`[${geminiAnswers.map((answer) => JSON.stringify(answer, undefined, 2)).join('\n,\r\n')}\n]\n`);
    const whole = seen(watch(watchStream('gemini'), streamOf(samples.gemini)));
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(seen(watch(watchStream('gemini'), bytes.subarray(0, at), bytes.subarray(at)))).toEqual(whole);
    }
  });

  it('strings with braces, quotes and backslashes do not end an object', () => {
    const parts = ['}{"', '\\', '\\"}]', '🌦}'].map((text) => ({ text }));
    const answer = { candidates: [{ content: { parts }, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 7 } };
    const watcher = watchText('gemini', JSON.stringify([answer, answer]));
    expect(seen(watcher)).toMatchObject({ finished: true, textBytes: 2 * (3 + 1 + 4 + 5), usage: { ...emptyUsage(), input: 7 } });
  });
});

describe('the first real content', () => {
  const start = samples.anthropic[0] as SseEvent;
  const block = (fields: unknown) => ({ event: 'content_block_start', data: JSON.stringify({ type: 'content_block_start', index: 0, content_block: fields }) });
  const delta = (fields: unknown) => ({ event: 'content_block_delta', data: JSON.stringify({ type: 'content_block_delta', index: 0, delta: fields }) });
  const stop = (reason: string | null) => ({ event: 'message_delta', data: JSON.stringify({ type: 'message_delta', delta: { stop_reason: reason }, usage: { output_tokens: 1 } }) });
  const end = { event: 'message_stop', data: '{"type":"message_stop"}' };
  const chunk = (fields: unknown, finish: string | null = null) => ({ event: '', data: JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: fields, finish_reason: finish }] }) });
  const typed = (type: string, fields: object = {}) => ({ event: type, data: JSON.stringify({ type, ...fields }) });
  const parts = (...list: unknown[]) => ({ event: '', data: JSON.stringify({ candidates: [{ content: { role: 'model', parts: list } }] }) });

  const cases: [boolean, Dialect, string, SseEvent[]][] = [
    [false, 'anthropic', 'message_start', [start]],
    [false, 'anthropic', 'a ping', [start, typed('ping')]],
    [false, 'anthropic', 'the empty start of a text block', [start, block({ type: 'text', text: '' })]],
    [false, 'anthropic', 'the empty start of a thinking block', [start, block({ type: 'thinking', thinking: '', signature: '' })]],
    [false, 'anthropic', 'an empty text', [start, block({ type: 'text', text: '' }), delta({ type: 'text_delta', text: '' })]],
    [true, 'anthropic', 'text', [start, delta({ type: 'text_delta', text: 'a' })]],
    [true, 'anthropic', 'thinking', [start, delta({ type: 'thinking_delta', thinking: 'a' })]],
    [true, 'anthropic', 'thinking that is not shown', [start, delta({ type: 'signature_delta', signature: 'a' })]],
    [true, 'anthropic', 'tool input', [start, delta({ type: 'input_json_delta', partial_json: '{' })]],
    [true, 'anthropic', 'the start of a tool call', [start, block({ type: 'tool_use', id: 't', name: 'n', input: {} })]],
    [true, 'anthropic', 'redacted thinking', [start, block({ type: 'redacted_thinking', data: 'x' })]],
    [true, 'anthropic', 'a legal end without content', [start, stop('end_turn'), end]],
    [false, 'anthropic', 'an end without a reason', [start, stop(null), end]],
    [false, 'anthropic', 'an end at once', [start, end]],
    [false, 'anthropic', 'a reason that has not ended', [start, stop('end_turn')]],
    [false, 'openai-chat', 'the role', [chunk({ role: 'assistant', content: '', refusal: null, tool_calls: [] })]],
    [false, 'openai-chat', 'no choices', [{ event: '', data: '{"choices":[],"prompt_filter_results":[]}' }]],
    [false, 'openai-chat', '[DONE] alone', [{ event: '', data: '[DONE]' }]],
    [true, 'openai-chat', 'content', [chunk({ content: 'a' })]],
    [true, 'openai-chat', 'content in parts', [chunk({ content: [{ type: 'text', text: 'a' }] })]],
    [true, 'openai-chat', 'reasoning', [chunk({ reasoning_content: 'a' })]],
    [true, 'openai-chat', 'a refusal', [chunk({ refusal: 'a' })]],
    [true, 'openai-chat', 'a tool call', [chunk({ tool_calls: [{ index: 0, id: 'c', function: { name: 'n', arguments: '' } }] })]],
    [true, 'openai-chat', 'a function call', [chunk({ function_call: { name: 'n' } })]],
    [true, 'openai-chat', 'audio', [chunk({ audio: { id: 'a' } })]],
    [true, 'openai-chat', 'a legal end without content', [chunk({}, 'content_filter')]],
    [true, 'openai-chat', 'a legacy completion', [{ event: '', data: '{"choices":[{"text":"a"}]}' }]],
    [false, 'openai-responses', 'created, queued and in progress', [...samples['openai-responses'].slice(0, 2), typed('response.queued', { response: {} })]],
    [false, 'openai-responses', 'events beside the response', [typed('keepalive'), typed('codex.rate_limits', { delta: 'x' })]],
    [true, 'openai-responses', 'an item', [typed('response.output_item.added', { item: { type: 'reasoning' } })]],
    [true, 'openai-responses', 'a delta', [typed('response.output_text.delta', { delta: 'a' })]],
    [true, 'openai-responses', 'a legal end without content', [typed('response.incomplete', { response: { output: [] } })]],
    [false, 'openai-responses', 'a failed response', [typed('response.failed', { response: { error: { message: 'm' } } })]],
    [false, 'gemini', 'usage alone', [{ event: '', data: '{"usageMetadata":{"promptTokenCount":3}}' }]],
    [false, 'gemini', 'no parts', [parts()]],
    [false, 'gemini', 'an empty text', [parts({ text: '' }, { text: '', thought: true })]],
    [true, 'gemini', 'text', [parts({ text: 'a' })]],
    [true, 'gemini', 'a call', [parts({ functionCall: { name: 'n' } })]],
    [true, 'gemini', 'data', [parts({ inlineData: { data: 'x' } })]],
    [true, 'gemini', 'a signature', [parts({ text: '', thoughtSignature: 'x' })]],
    [true, 'gemini', 'a legal end without content', [{ event: '', data: '{"candidates":[{"finishReason":"SAFETY"}]}' }]],
    [true, 'gemini', 'a blocked prompt', [{ event: '', data: '{"promptFeedback":{"blockReason":"SAFETY"}}' }]],
    [true, 'gemini', 'an answer of Code Assist', [{ event: '', data: '{"response":{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}}' }]],
  ];

  it.each(cases)('%s: %s, %s', (expected, dialect, _, events) => {
    expect(watch(watchStream(dialect), streamOf(events)).contentSeen).toBe(expected);
    // Without an end of the stream it is the same: it is seen when it comes, not later.
    const watcher = watchStream(dialect);
    watcher.push(bytesOf(': comment\n\n\n'));
    expect(watcher.contentSeen).toBe(false);
    watcher.push(streamOf(events));
    expect(watcher.contentSeen).toBe(expected);
  });

  it('[DONE] or a finish reason ends a chat, nothing else does', () => {
    expect(watchText('openai-chat', 'data: [DONE]\n\n')).toMatchObject({ finished: true, contentSeen: false });
    expect(watch(watchStream('openai-chat'), streamOf([chunk({}, 'stop')]))).toMatchObject({ finished: true });
    expect(watch(watchStream('openai-chat'), streamOf([chunk({ content: 'a' })]))).toMatchObject({ finished: false });
    expect(watchText('anthropic', 'data: [DONE]\n\n')).toMatchObject({ finished: false });
  });

  it('usage is final once the dialect has ended, wherever it stood', () => {
    const used = { event: '', data: '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}' };
    expect(watch(watchStream('openai-chat'), streamOf([used]))).toMatchObject({ usageFinal: false, usage: { input: 3, output: 4 } });
    expect(watch(watchStream('openai-chat'), streamOf([used, chunk({}, 'stop')]))).toMatchObject({ usageFinal: true });
    expect(watch(watchStream('openai-chat'), streamOf([chunk({}, 'stop')]))).toMatchObject({ usageFinal: false, usage: undefined });
    expect(watch(watchStream('openai-chat'), streamOf([chunk({}, 'stop'), used]))).toMatchObject({ usageFinal: true });
    expect(watch(watchStream('anthropic'), streamOf([start]))).toMatchObject({ usageFinal: false, usage: { input: 120, output: 1 } });
    expect(watch(watchStream('anthropic'), streamOf([start, stop('end_turn')]))).toMatchObject({ usageFinal: true });
  });
});

describe('errors in a stream', () => {
  const cases: [Dialect, string, object][] = [
    ['anthropic', 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n', { status: 529, type: 'overloaded_error' }],
    ['anthropic', 'event: error\ndata: gone away\n\n', { status: 500, message: 'gone away' }],
    ['anthropic', '{"type":"error","error":{"type":"rate_limit_error","message":"m"}}', { status: 429 }],
    ['openai-chat', 'data: {"error":{"message":"m","code":"rate_limit_exceeded"}}\n\n', { status: 429, code: 'rate_limit_exceeded' }],
    ['openai-chat', 'data: {"choices":[{"delta":{},"finish_reason":"error","error":{"code":502,"message":"m"}}]}\n\n', { status: 502 }],
    ['openai-responses', 'event: error\ndata: {"type":"error","code":"server_error","message":"m"}\n\n', { status: 500, code: 'server_error' }],
    ['gemini', 'data: {"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}\n\n', { status: 503, type: 'UNAVAILABLE' }],
    ['gemini', '[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]', { status: 429 }],
    ['openai-chat', 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n', { status: 529 }],
  ];

  it.each(cases)('%s: %s', (dialect, text, error) => {
    expect(watchText(dialect, text)).toMatchObject({ error, contentSeen: false, usage: undefined });
  });

  it('the first one stays, and what was seen before it too', () => {
    const events = samples.anthropic.slice(0, 5).map(encodeSse).join('');
    const error = (message: string) => `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'api_error', message } })}\n\n`;
    expect(watchText('anthropic', events + error('first') + error('second'))).toMatchObject({
      error: { message: 'first' },
      contentSeen: true,
      finished: false,
      usage: { input: 120 },
    });
  });

  it('a failed response still says what it used', () => {
    const failed = { type: 'response.failed', response: { id: 'resp_1', status: 'failed', error: { code: 'server_error', message: 'm' }, usage: { input_tokens: 5, output_tokens: 6 } } };
    expect(watchText('openai-responses', `event: response.failed\ndata: ${JSON.stringify(failed)}\n\n`)).toMatchObject({
      error: { code: 'server_error' },
      usage: { input: 5, output: 6 },
      usageFinal: true,
      finished: true,
      responseId: 'resp_1',
    });
  });
});

describe('a JSON answer', () => {
  const message = { type: 'message', id: 'msg_1', model: 'claude-x', usage: { input_tokens: 1, output_tokens: 2, service_tier: 'priority' } };
  const cases: [boolean, Dialect, string, unknown][] = [
    [true, 'anthropic', 'content', { ...message, content: [{ type: 'text', text: 'a' }], stop_reason: 'end_turn' }],
    [false, 'anthropic', 'no content and nothing counted', { ...message, content: [], stop_reason: 'end_turn', usage: { input_tokens: 3, output_tokens: 0 } }],
    [true, 'anthropic', 'no content, but counted: the model had nothing to say', { ...message, content: [], stop_reason: 'end_turn', usage: { input_tokens: 3, output_tokens: 2 } }],
    [true, 'anthropic', 'a refusal', { ...message, content: [], stop_reason: 'refusal' }],
    [true, 'anthropic', 'a token count', { input_tokens: 120 }],
    [false, 'anthropic', 'an error', { type: 'error', error: { type: 'api_error', message: 'm' }, content: [{}] }],
    [false, 'anthropic', 'something else', { id: 'x' }],
    [false, 'anthropic', 'no object', '"text"'],
    [false, 'anthropic', 'cut JSON', '{"id":"x","content":[{"type":"text"'],
    [false, 'anthropic', 'a page', '<html>'],
    [false, 'anthropic', 'nothing', ''],
    [true, 'openai-chat', 'choices', { choices: [{ message: { content: 'a' } }] }],
    [false, 'openai-chat', 'no choices', { choices: [] }],
    [true, 'openai-chat', 'embeddings', { object: 'list', data: [{ embedding: [0.1] }] }],
    [true, 'openai-responses', 'output', { object: 'response', status: 'completed', output: [{}] }],
    [false, 'openai-responses', 'no output', { object: 'response', status: 'completed', output: [] }],
    [true, 'openai-responses', 'cut short', { object: 'response', status: 'incomplete', output: [] }],
    [true, 'openai-responses', 'in the background', { object: 'response', status: 'queued', output: [] }],
    [false, 'openai-responses', 'failed', { object: 'response', status: 'failed', output: [{}], error: { message: 'm' } }],
    [true, 'gemini', 'candidates', { candidates: [{ content: { parts: [{ text: 'a' }] } }] }],
    [false, 'gemini', 'no candidates', { candidates: [] }],
    [true, 'gemini', 'a blocked prompt', { promptFeedback: { blockReason: 'SAFETY' } }],
    [true, 'gemini', 'a token count', { totalTokens: 120 }],
    [true, 'gemini', 'Code Assist', { response: { candidates: [{}] } }],
    [true, 'gemini', 'a list', geminiAnswers],
  ];

  it.each(cases)('content %s: %s, %s', (expected, dialect, _, body) => {
    expect(watchBody(dialect, body).contentSeen).toBe(expected);
  });

  it('says everything at its end, and nothing before', () => {
    const body = bytesOf(JSON.stringify({ ...message, content: [{ type: 'text', text: 'é' }, { type: 'tool_use', input: { a: 'b' } }], stop_reason: 'tool_use' }));
    const watcher = watchJson('anthropic');
    for (let at = 0; at < body.length; at += 7) watcher.push(body.subarray(at, at + 7));
    expect(seen(watcher)).toMatchObject({ contentSeen: false, finished: false, usage: undefined });
    watcher.end();
    expect(seen(watcher)).toMatchObject({
      contentSeen: true,
      finished: true,
      usageFinal: true,
      usage: { input: 1, output: 2 },
      model: 'claude-x',
      responseId: 'msg_1',
      serviceTier: 'priority',
      textBytes: 2 + '{"a":"b"}'.length,
      error: undefined,
    });
  });

  it('names come from each dialect\'s own places', () => {
    expect(watchBody('openai-responses', { id: 'resp_1', model: 'm', service_tier: 'flex', prompt_cache_key: 'k', output: [{}] })).toMatchObject({
      model: 'm',
      responseId: 'resp_1',
      serviceTier: 'flex',
      promptCacheKey: 'k',
    });
    expect(watchBody('gemini', geminiAnswers[0])).toMatchObject({ model: 'gemini-2.5-pro', responseId: 'r1' });
  });

  it('where a stream was asked for is read all the same', () => {
    const body = { object: 'chat.completion', model: 'm', choices: [{ message: { content: 'ab' } }], usage: { prompt_tokens: 1, completion_tokens: 2 } };
    expect(watchText('openai-chat', ` \n${JSON.stringify(body)}`)).toMatchObject({ contentSeen: true, finished: true, usageFinal: true, textBytes: 2 });
  });

  it('a cut one is not finished', () => {
    expect(watchBody('anthropic', '{"type":"message","content":[{"type":"text","text":"a"}],"usage":{"input_tokens":1}')).toMatchObject({
      finished: false,
      usage: undefined,
    });
  });
});

describe('what is too large to keep', () => {
  const filler = 'x'.repeat(400_000);

  it('a JSON answer is counted by its end', () => {
    const body = { content: [{ type: 'text', text: `${filler} "usage":{"input_tokens":9}` }], usage: { inference_geo: '"}{\\', input_tokens: 1, output_tokens: 2 }, last: {} };
    const bytes = bytesOf(JSON.stringify(body));
    const watcher = watchJson('anthropic', 100_000);
    for (let at = 0; at < bytes.length; at += 10_000) watcher.push(bytes.subarray(at, at + 10_000));
    watcher.end();
    expect(watcher).toMatchObject({ usage: { input: 1, output: 2 }, usageFinal: true, contentSeen: true, textBytes: bytes.length });
  });

  it('an event above the ceiling is content, is counted by its end, and the next ones are read', () => {
    const image = 'x'.repeat(11 * 1024 * 1024);
    const completed = { type: 'response.completed', response: { output: [{ result: image }], usage: { input_tokens: 5, output_tokens: 6 }, user: null } };
    const bytes = bytesOf(`event: response.completed\ndata: ${JSON.stringify(completed)}\n\n`);
    const watcher = watchStream('openai-responses');
    for (let at = 0; at < bytes.length; at += 65_536) watcher.push(bytes.subarray(at, at + 65_536));
    watcher.end();
    expect(watcher).toMatchObject({ usage: { input: 5, output: 6 }, usageFinal: true, contentSeen: true, finished: true });

    const answer = { candidates: [{ content: { parts: [{ inlineData: { data: image } }] } }], usageMetadata: { promptTokenCount: 7 } };
    const last = { candidates: [{ finishReason: 'STOP' }] };
    // So much in between that the end of the large one is long gone when the stream ends.
    const more = Array.from({ length: 300 }, () => ({ candidates: [{ content: { parts: [{ text: filler.slice(0, 1000) }] } }] }));
    const answers = [answer, ...more, last];
    const texts = [answers.map((item) => `data: ${JSON.stringify(item)}\n\n`).join(''), JSON.stringify(answers)];
    for (const text of texts) {
      const stream = bytesOf(text);
      const gemini = watchStream('gemini');
      for (let at = 0; at < stream.length; at += 65_536) gemini.push(stream.subarray(at, at + 65_536));
      gemini.end();
      expect(gemini).toMatchObject({ usage: { input: 7 }, contentSeen: true, finished: true });
    }
  });
});

describe('deltas that are not parsed', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '"', '\\', 'text', 'a"b', '漢字', 'content', 'm'));

  it.each(dialects)('%s: any texts are counted to the byte', (dialect) => {
    const wrap: Record<Dialect, (value: string, index: number) => SseEvent> = {
      anthropic: (value) => ({ event: 'content_block_delta', data: JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: value } }) }),
      'openai-chat': (value) => ({ event: '', data: JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content: value }, finish_reason: null }] }) }),
      'openai-responses': (value, index) => ({ event: 'response.output_text.delta', data: JSON.stringify({ type: 'response.output_text.delta', sequence_number: index, delta: value }) }),
      gemini: (value) => ({ event: '', data: JSON.stringify({ candidates: [{ content: { parts: [{ text: value }] } }] }) }),
    };
    fc.assert(
      fc.property(fc.array(text, { maxLength: 40 }), (texts) => {
        const watcher = watch(watchStream(dialect), ...texts.map((value, index) => streamOf([wrap[dialect](value, index)])));
        expect(watcher.textBytes).toBe(texts.reduce((bytes, value) => bytes + utf8Length(value), 0));
        expect(watcher.contentSeen).toBe(texts.some((value) => value !== ''));
      }),
    );
  });

  it('what looks like a delta but ends the stream is parsed', () => {
    const piece = (fields: string) => `data: {"choices":[{"delta":{"content":"a"},"finish_reason":${fields}}]}\n\n`;
    expect(watchText('openai-chat', piece('null').repeat(3) + piece('"stop"')).finished).toBe(true);
    const error = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}],"error":{"message":"m"}}\n\n';
    expect(watchText('openai-chat', piece('null').repeat(3) + error).error).toMatchObject({ message: 'm' });
  });
});

describe('whatever comes', () => {
  it('nothing throws', () => {
    const line = fc.oneof(
      fc.jsonValue().map((value) => `data: ${JSON.stringify(value)}\n\n`),
      fc.constantFrom(...dialects.flatMap((dialect) => samples[dialect].map(encodeSse))),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('data: [DONE]\n\n', 'event: error\n', 'data: [1,null,{}]\n\n', '[', '{', '}', '\uFEFF'),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.constantFrom(...dialects), (lines, dialect) => {
        watchText(dialect, lines.join(''));
        watch(watchJson(dialect), bytesOf(lines.join('')));
      }),
    );
  });

  it('not even nesting without end', () => {
    const deep = `${'{"content":['.repeat(100_000)}${']}'.repeat(100_000)}`;
    for (const dialect of dialects) {
      watchBody(dialect, deep);
      watchText(dialect, `data: ${deep}\n\n`);
      watchText(dialect, deep);
      watchText(dialect, `data: {"candidates":[{"content":{"parts":[{"functionCall":{"args":${deep}}}]}}]}\n\n`);
    }
  });

  it('a byte order mark and white space before the stream do not matter, however they are cut', () => {
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, ...streamOf(samples.anthropic)]);
    for (let at = 0; at < 8; at += 1) {
      expect(watch(watchStream('anthropic'), bytes.subarray(0, at), bytes.subarray(at))).toMatchObject({ finished: true, responseId: 'msg_1' });
    }
    const chat = new Uint8Array([0xef, 0xbb, 0xbf, ...bytesOf('data: {"choices":[{"delta":{"content":"a"}}]}\n\n')]);
    for (let at = 0; at < 8; at += 1) expect(watch(watchStream('openai-chat'), chat.subarray(0, at), chat.subarray(at)).contentSeen).toBe(true);
    expect(watch(watchStream('gemini'), bytesOf('\r\n \n'), bytesOf('  [{"candidates":[{"finishReason":"STOP"}]}]')).finished).toBe(true);
  });
});
