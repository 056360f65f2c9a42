import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerContext, protocols } from '../src/convert.ts';
import { DropLog } from '../src/drops.ts';
import { SseDecoder, convertRequest, convertResponse, dialects, encodeSse, streamConverter, validateStream } from '../src/index.ts';
import type { Dialect, SseEvent } from '../src/index.ts';
import { ToolNaming } from '../src/tool-names.ts';
import { settleTurns } from '../src/turns.ts';
import { eventsOf } from '../src/whole-answer.ts';
import type { ChatRequest, ChatResponse } from '../src/chat.ts';
import { targetModels } from './cases/index.ts';
import { answer, conversation, essence, essenceOfAnswer, essenceOfEvents, options } from './conversation.ts';

const pairs = dialects.flatMap((a) => dialects.filter((b) => b !== a).map((b): [Dialect, Dialect] => [a, b]));
const bytes = new TextEncoder();

/** Gemini's bodies do not name the model, and one of the four dialects must be told. */
function written(dialect: Dialect, request: ChatRequest): unknown {
  const drops = new DropLog(dialect, dialect);
  return protocols[dialect].encodeRequest(request, { drops, targetModel: targetModels[dialect], sameProvider: true, names: new ToolNaming(dialect) });
}

function understood(dialect: Dialect, body: unknown): unknown[] {
  const drops = new DropLog(dialect, dialect);
  const request = protocols[dialect].decodeRequest(body, { drops, streaming: false });
  request.turns = settleTurns(request.turns, drops);
  return essence(request);
}

describe.each(pairs)('%s → %s → back', (from, to) => {
  it('keeps words, images, calls and results, their order and ids', () => {
    fc.assert(
      fc.property(conversation, (request) => {
        const before = understood(from, written(from, request));
        const there = convertRequest(from, to, written(from, request), options({ targetModel: targetModels[to] }));
        expect(understood(to, there.body)).toEqual(before);
        const back = convertRequest(to, from, there.body, options({ targetModel: targetModels[from] }));
        expect(understood(from, back.body)).toEqual(before);
      }),
      { numRuns: 30 },
    );
  });
});

/** What a client of each dialect can tell apart: reasoning and calls always, other orders not everywhere. */
function seenBy(dialect: Dialect, essenceOf: unknown[]): unknown[] {
  if (dialect !== 'openai-chat') return essenceOf;
  const kind = (item: unknown): string => String((item as unknown[])[0]);
  const joined = (name: string): unknown[] => {
    const all = essenceOf.filter((item) => kind(item) === name).map((item) => String((item as unknown[])[1]));
    return all.length === 0 ? [] : [[name, all.join('')]];
  };
  return [...joined('reasoning'), ...joined('text'), ...essenceOf.filter((item) => kind(item) === 'call' || kind(item) === 'finish')];
}

function frames(dialect: Dialect, response: Parameters<typeof eventsOf>[0]): SseEvent[] {
  const encoder = protocols[dialect].encoder(answerContext(dialect, dialect, options({ includeUsage: true })));
  return eventsOf(response, dialect).flatMap((event) => encoder.push(event));
}

function decoded(dialect: Dialect, events: readonly SseEvent[]): unknown[] {
  const decoder = protocols[dialect].decoder(answerContext(dialect, dialect, options()));
  return essenceOfEvents([...events.flatMap((event) => decoder.push(event)), ...decoder.end()]);
}

/** Cuts at the given places, wherever characters and events end. */
function chopped(whole: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, index) => whole.subarray(start, places[index] ?? whole.length));
}

function hasNoEqualThoughts({ parts }: ChatResponse): boolean {
  const thoughts = parts.flatMap((part) => (part.type === 'reasoning' ? [part.text] : []));
  return thoughts.every((thought, index) => thoughts.every((other, place) => place === index || !other.includes(thought)));
}

describe.each(pairs)('a stream of %s for a client of %s', (upstream, client) => {
  it('is legal, says the same and counts the same, however it is cut', () => {
    fc.assert(
      fc.property(answer, fc.array(fc.nat(), { maxLength: 6 }), (response, cuts) => {
        const source = frames(upstream, response);
        const converter = streamConverter(upstream, client, options({ includeUsage: true }));
        const chunks = chopped(bytes.encode(source.map((event) => encodeSse(event)).join('')), cuts);
        const output = [...chunks.flatMap((chunk) => converter.push(chunk)), ...converter.end()];
        const decoder = new SseDecoder();
        const events = [...output.flatMap((piece) => decoder.push(piece)), ...decoder.end()];
        expect(validateStream(client, events)).toEqual([]);
        expect(seenBy('openai-chat', decoded(client, events))).toEqual(seenBy('openai-chat', essenceOfAnswer(response)));
        if (upstream !== 'openai-chat' && client !== 'openai-chat') expect(decoded(client, events)).toEqual(decoded(upstream, source));
        expect(converter.finished).toBe(true);
        expect(converter.usage).toEqual(response.usage);
      }),
      { numRuns: 30 },
    );
  });

  it('says what the whole answer says', () => {
    fc.assert(
      // Gemini's clients may repeat a thought that was already bundled with a call; equal ones are then one.
      fc.property(answer.filter(hasNoEqualThoughts), (response) => {
        const context = answerContext(upstream, upstream, options());
        const whole = convertResponse(upstream, client, protocols[upstream].encodeResponse(response, context), options());
        const read = protocols[client].decodeResponse(whole, answerContext(client, client, options()));
        expect(seenBy('openai-chat', essenceOfAnswer(read))).toEqual(seenBy('openai-chat', essenceOfAnswer(response)));
      }),
      { numRuns: 30 },
    );
  });
});
