import * as fc from 'fast-check';
import { emptyRequest } from '../src/chat.ts';
import type { AnswerPart, ChatEvent, ChatRequest, ChatResponse, Part, Turn } from '../src/chat.ts';
import type { AnswerOptions } from '../src/index.ts';
import { pixel } from './cases/names.ts';

/** Conversations and answers for properties, and what of them must survive a conversion. */

/** Text with something to see in it; white space alone is not kept everywhere, nor at the ends of joined texts. */
export const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .map((value) => value.trim())
  .filter((value) => value !== '');

const id = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{3,29}$/);
const toolName = fc.constantFrom('get_weather', 'read', 'mcp__server__tool', 'x');
const json = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.integer(), { maxLength: 3 })), { maxKeys: 4 });

const image: fc.Arbitrary<Part> = fc.constant({ type: 'image', source: { kind: 'base64', mediaType: 'image/png', data: pixel } });
const textPart: fc.Arbitrary<Part> = text.map((value) => ({ type: 'text', text: value }));

interface Exchange {
  question: Part[];
  words: string | undefined;
  calls: { id: string; name: string; input: Record<string, unknown>; result: string }[];
  answer: string;
}

const exchange: fc.Arbitrary<Exchange> = fc.record({
  question: fc.array(fc.oneof({ weight: 4, arbitrary: textPart }, image), { minLength: 1, maxLength: 3 }),
  words: fc.option(text, { nil: undefined }),
  calls: fc.array(fc.record({ id, name: toolName, input: json, result: text }), { maxLength: 3 }),
  answer: text,
});

/** A legal conversation that ends with the user: questions, calls side by side, their results, answers. */
export const conversation: fc.Arbitrary<ChatRequest> = fc
  .record({ system: fc.array(text, { maxLength: 2 }), exchanges: fc.array(exchange, { maxLength: 3 }), last: text })
  .map(({ system, exchanges, last }) => {
    const request = emptyRequest('m');
    request.system = system.map((value) => ({ type: 'text', text: value }));
    const ids = new Set<string>();
    for (const { question, words, calls, answer } of exchanges) {
      request.turns.push({ role: 'user', parts: question });
      const own = calls.filter((call) => !ids.has(call.id) && ids.add(call.id));
      if (own.length > 0) {
        const spoken: Part[] = words === undefined ? [] : [{ type: 'text', text: words }];
        const called = own.map(({ id: callId, name, input }): Part => ({ type: 'tool-call', id: callId, name, input: JSON.stringify(input) }));
        const results = own.map(({ id: callId, name, result }): Part => ({ type: 'tool-result', id: callId, name, failed: false, parts: [{ type: 'text', text: result }] }));
        request.turns.push({ role: 'assistant', parts: [...spoken, ...called] }, { role: 'user', parts: results });
      }
      request.turns.push({ role: 'assistant', parts: [{ type: 'text', text: answer }] });
    }
    request.turns.push({ role: 'user', parts: [{ type: 'text', text: last }] });
    request.tools = ['get_weather', 'read', 'mcp__server__tool', 'x'].map((name) => ({ name, schema: { type: 'object', properties: { a: { type: 'string' } } } }));
    return request;
  });

/** What must survive: who said what in which order, calls with names, ids and arguments, results with theirs. */
export function essence(request: Pick<ChatRequest, 'system' | 'turns'>): unknown[] {
  return [['system', request.system.map((part) => part.text).join('\n\n')], ...request.turns.flatMap(essenceOfTurn)];
}

function essenceOfTurn(turn: Turn): unknown[] {
  const said: unknown[] = [];
  let words: string[] = [];
  const flush = (): void => {
    if (words.length > 0) said.push([turn.role, words.join('\n\n')]);
    words = [];
  };
  for (const part of turn.parts) {
    if (part.type === 'text') words.push(part.text);
    else {
      flush();
      said.push(essenceOfPart(part));
    }
  }
  flush();
  return said;
}

function essenceOfPart(part: Part): unknown {
  if (part.type === 'tool-call') return ['call', part.id, part.name, JSON.parse(part.input)];
  if (part.type === 'tool-result') return ['result', part.id, part.parts.map((inner) => (inner.type === 'text' ? inner.text : inner.type)).join('\n\n')];
  return part.type === 'image' ? ['image', part.source] : [part.type];
}

const answerPart: fc.Arbitrary<AnswerPart> = fc.oneof(
  text.map((value): AnswerPart => ({ type: 'text', text: value })),
  text.map((value): AnswerPart => ({ type: 'reasoning', text: value })),
  fc.record({ id, name: toolName, input: json }).map(({ id: callId, name, input }): AnswerPart => ({ type: 'tool-call', id: callId, name, input: JSON.stringify(input) })),
);

const tokens = fc.nat({ max: 100_000 });

/** An answer with usage; reasoning, words and calls in any order, no two neighbours alike except calls. */
export const answer: fc.Arbitrary<ChatResponse> = fc
  .record({ parts: fc.array(answerPart, { maxLength: 5 }), input: tokens, output: tokens, cacheRead: tokens, finish: fc.constantFrom('stop', 'length') })
  .map(({ parts, input, output, cacheRead, finish }) => {
    const kept = parts.filter((part, index) => part.type === 'tool-call' || part.type !== parts[index - 1]?.type);
    const called = kept.some((part) => part.type === 'tool-call');
    return {
      id: undefined,
      model: 'm',
      created: 1_700_000_000,
      parts: kept,
      finish: finish === 'stop' && called ? 'tool-calls' : (finish as 'stop' | 'length'),
      stopSequence: undefined,
      usage: { input, output, cacheRead, cacheWrite5m: 0, cacheWrite1h: 0, cacheWriteUnsplit: 0, reasoning: 0, inputImage: 0, outputImage: 0, inputAudio: 0, outputAudio: 0 },
      serviceTier: undefined,
    };
  });

/** Events back as what they say. */
export function essenceOfEvents(events: readonly ChatEvent[]): unknown[] {
  const said: unknown[] = [];
  let open = '';
  let call: { id: string; name: string } | undefined;
  for (const event of events) {
    if (event.type.endsWith('-start')) open = '';
    if (event.type === 'tool-start') call = event;
    else if (event.type === 'text-delta' || event.type === 'reasoning-delta' || event.type === 'tool-delta') open += event.text;
    else if (event.type === 'text-end') said.push(['text', open]);
    else if (event.type === 'reasoning-end') said.push(['reasoning', open]);
    else if (event.type === 'tool-end') said.push(['call', call?.id, call?.name, JSON.parse(open)]);
    else if (event.type === 'finish') said.push(['finish', event.reason, event.usage]);
    else if (event.type === 'error') said.push(['error', event.failure.message]);
  }
  return said;
}

export function essenceOfAnswer(response: ChatResponse): unknown[] {
  const said = response.parts.map((part) => {
    if (part.type === 'tool-call') return ['call', part.id, part.name, JSON.parse(part.input)];
    return [part.type, part.type === 'text' || part.type === 'reasoning' ? part.text : ''];
  });
  return [...said, ['finish', response.finish, response.usage]];
}

export function options(more: Partial<AnswerOptions> = {}): AnswerOptions {
  let count = 0;
  return { now: 1_700_000_000, id: (prefix) => `${prefix}${(count += 1)}`, targetModel: 'm', toolNames: new Map(), ...more };
}
