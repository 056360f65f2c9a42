import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { answerContext, protocols } from '../src/convert.ts';
import { SseDecoder, dialects, encodeSse, streamConverter } from '../src/index.ts';
import type { Dialect, StreamConverter } from '../src/index.ts';
import type { ChatEvent } from '../src/chat.ts';
import { options } from './conversation.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const most = 256 * 1024;
const streams = 6;
const piece = 'Some words of an answer that goes on and on; '.repeat(40);
const pieces = 250;

/** One answer's frames, without its end. */
function frames(dialect: Dialect, kind: 'text' | 'reasoning'): Uint8Array[] {
  const encoder = protocols[dialect].encoder(answerContext(dialect, dialect, options()));
  const events: ChatEvent[] = [
    { type: 'start', id: undefined, model: 'm', created: 1, usage: undefined },
    { type: `${kind}-start` },
    ...Array.from({ length: pieces }, (): ChatEvent => ({ type: `${kind}-delta`, text: piece })),
  ];
  return events.flatMap((event) => encoder.push(event)).map((frame) => new TextEncoder().encode(encodeSse(frame)));
}

const pairs = dialects.flatMap((upstream) => dialects.filter((client) => client !== upstream).map((client) => [upstream, client] as const));

describe.each(pairs)('%s → %s', (upstream, client) => {
  it.each(['text', 'reasoning'] as const)(`holds no more than 256 KB of a long %s`, (kind) => {
    const chunks = frames(upstream, kind);
    const converters: StreamConverter[] = [];
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < streams; index += 1) {
      const converter = streamConverter(upstream, client, options());
      for (const chunk of chunks) converter.push(chunk);
      converters.push(converter);
    }
    collectGarbage();
    const held = (process.memoryUsage().heapUsed - before) / streams;
    expect(held).toBeLessThan(most);
    expect(converters.every((converter) => converter.textBytes === piece.length * pieces)).toBe(true);
  });
});

it('a Responses client gets every word of an answer that is too long to be repeated', () => {
  const converter = streamConverter('openai-chat', 'openai-responses', options());
  const decoder = new SseDecoder();
  const ending = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
  const output = [...frames('openai-chat', 'text'), new TextEncoder().encode(ending)].flatMap((chunk) => converter.push(chunk));
  const payloads = output.flatMap((bytes) => decoder.push(bytes)).map((event) => JSON.parse(event.data) as Record<string, unknown>);
  const deltas = payloads.filter((payload) => payload.type === 'response.output_text.delta').map((payload) => payload.delta);
  expect(deltas.join('')).toBe(piece.repeat(pieces));
  const done = payloads.filter((payload) => payload.type === 'response.output_item.done').map((payload) => payload.item as { content: { text: string }[] });
  expect(done.length).toBeGreaterThan(1);
  expect(done.map((item) => item.content[0]?.text).join('')).toBe(piece.repeat(pieces));
  expect(payloads.at(-1)?.type).toBe('response.completed');
  expect(converter.drops.map((drop) => drop.code)).toEqual(['answer-long']);
});

it.each(['openai-responses', 'gemini'] as const)('a call that is too large to be held ends in an error for a client of %s', (client) => {
  const converter = streamConverter('openai-chat', client, options());
  const call = (fields: object): Uint8Array => new TextEncoder().encode(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [fields] } }] })}\n\n`);
  converter.push(call({ index: 0, id: 'c', function: { name: 'write', arguments: '{"text":"' } }));
  for (let index = 0; index < 300; index += 1) converter.push(call({ index: 0, function: { arguments: 'x'.repeat(1024) } }));
  expect(converter.error?.message).toBe('a tool call is too large to be passed on');
  expect(converter.finished).toBe(false);
  expect(converter.end()).toEqual([]);
});
