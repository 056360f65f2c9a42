import { describe, expect, it } from 'vitest';
import { samples } from '../../test/samples.ts';
import { dialects, encodeStreamError, SseDecoder, validateStream } from '../index.ts';
import type { Dialect, SseEvent } from '../index.ts';

type Payload = Record<string, unknown>;

/** The sample with one event's payload changed. */
function changed(dialect: Dialect, index: number, change: (payload: Payload) => void): SseEvent[] {
  return samples[dialect].map((event, at) => {
    if (at !== (index < 0 ? samples[dialect].length + index : index)) return event;
    const payload = JSON.parse(event.data) as Payload;
    change(payload);
    return { ...event, data: JSON.stringify(payload) };
  });
}

function without(dialect: Dialect, index: number): SseEvent[] {
  return samples[dialect].filter((_, at) => at !== index);
}

function inner(payload: Payload, ...path: (string | number)[]): Payload {
  return path.reduce<unknown>((value, key) => (value as Payload)[key], payload) as Payload;
}

describe('legal streams', () => {
  it.each(dialects)('%s: the sample has no problem', (dialect) => {
    expect(validateStream(dialect, samples[dialect])).toEqual([]);
  });

  // Pings and pieces of text may come or go, since nothing in the stream tells how much text there is; so may Chat's usage.
  const optional: Record<Dialect, number[]> = {
    anthropic: [2, 3, 4, 7, 8, 9],
    'openai-chat': [1, 2, 3, 4],
    'openai-responses': [],
    gemini: [0, 1, 2, 3],
  };

  it.each(dialects)('%s: an event left out, doubled or put last is a problem', (dialect) => {
    const events = samples[dialect];
    const legal: string[] = [];
    events.forEach((event, index) => {
      if (optional[dialect].includes(index)) return;
      if (validateStream(dialect, without(dialect, index)).length === 0) legal.push(`without ${index}`);
      if (validateStream(dialect, events.toSpliced(index, 0, event)).length === 0) legal.push(`twice ${index}`);
      if (index === events.length - 1) return;
      if (validateStream(dialect, [...without(dialect, index), event]).length === 0) legal.push(`last ${index}`);
    });
    // Anthropic may tell its usage several times, Chat need not tell it.
    expect(legal).toEqual(dialect === 'anthropic' ? ['twice 16'] : dialect === 'openai-chat' ? ['without 10'] : []);
  });

  it.each(dialects)('%s: a stream that is cut has no end', (dialect) => {
    expect(validateStream(dialect, samples[dialect].slice(0, 4)).join()).toContain('no terminal event');
  });

  it.each(dialects)('%s: our own error event ends a stream', (dialect) => {
    const error = encodeStreamError(dialect, { status: 502, message: 'cut' }, { responseId: 'resp_1', sequenceNumber: 2 });
    const events = [...samples[dialect].slice(0, 2), ...new SseDecoder().push(error)];
    expect(validateStream(dialect, events)).toEqual([]);
    expect(validateStream(dialect, [...events, samples[dialect][2] as SseEvent]).join()).toContain('after');
  });
});

describe('problems', () => {
  const cases: [Dialect, string, SseEvent[]][] = [
    ['anthropic', 'thinking_delta in a text block', changed('anthropic', 7, (p) => (p.delta = { type: 'thinking_delta', thinking: 'x' }))],
    ['anthropic', 'block index 3, expected 1', changed('anthropic', 6, (p) => (p.index = 3))],
    ['anthropic', 'content_block_delta of block 0, open is 1', changed('anthropic', 7, (p) => (p.index = 0))],
    ['anthropic', 'tool input is not a JSON object', without('anthropic', 14)],
    ['anthropic', 'unknown stop reason', changed('anthropic', -2, (p) => (inner(p, 'delta').stop_reason = 'stop'))],
    ['anthropic', 'end_turn after a tool_use', changed('anthropic', -2, (p) => (inner(p, 'delta').stop_reason = 'end_turn'))],
    ['anthropic', 'without output tokens', changed('anthropic', -2, (p) => delete p.usage)],
    ['anthropic', 'message_start without usage', changed('anthropic', 0, (p) => delete inner(p, 'message').usage)],
    ['anthropic', 'tool_use without id', changed('anthropic', 11, (p) => delete inner(p, 'content_block').id)],
    ['anthropic', 'event is named ', samples.anthropic.map((event) => ({ ...event, event: '' }))],
    ['openai-chat', 'first delta without role', without('openai-chat', 0)],
    ['openai-chat', 'role is repeated', changed('openai-chat', 2, (p) => (inner(p, 'choices', 0, 'delta').role = 'assistant'))],
    ['openai-chat', 'id changes', changed('openai-chat', 2, (p) => (p.id = 'other'))],
    ['openai-chat', 'tool arguments are not a JSON object', without('openai-chat', 7)],
    ['openai-chat', 'tool call index 2', changed('openai-chat', 5, (p) => (inner(p, 'choices', 0, 'delta', 'tool_calls', 0).index = 2))],
    ['openai-chat', 'unknown finish reason', changed('openai-chat', -3, (p) => (inner(p, 'choices', 0).finish_reason = 'end_turn'))],
    ['openai-chat', 'stop after a tool call', changed('openai-chat', -3, (p) => (inner(p, 'choices', 0).finish_reason = 'stop'))],
    ['openai-chat', 'usage does not add up', changed('openai-chat', -2, (p) => (inner(p, 'usage').total_tokens = 1))],
    ['openai-chat', '[DONE] without a finish reason', without('openai-chat', samples['openai-chat'].length - 3)],
    ['openai-responses', 'sequence number 4, expected 3', without('openai-responses', 3)],
    ['openai-responses', 'response id changes', changed('openai-responses', -1, (p) => (inner(p, 'response').id = 'other'))],
    ['openai-responses', 'item id msg_9', changed('openai-responses', 10, (p) => (p.item_id = 'msg_9'))],
    ['openai-responses', 'output_text.done differs', changed('openai-responses', 13, (p) => (p.text = 'x'))],
    ['openai-responses', 'arguments differ', changed('openai-responses', -2, (p) => (inner(p, 'item').arguments = '{}'))],
    ['openai-responses', 'is not done', samples['openai-responses'].toSpliced(-2, 1)],
    ['openai-responses', 'output has the items', changed('openai-responses', -1, (p) => (inner(p, 'response').output = []))],
    ['openai-responses', 'usage does not add up', changed('openai-responses', -1, (p) => (inner(p, 'response', 'usage').total_tokens = 1))],
    ['openai-responses', 'before response.created', samples['openai-responses'].slice(1)],
    ['gemini', 'content of another role', changed('gemini', 1, (p) => (inner(p, 'candidates', 0, 'content').role = 'assistant'))],
    ['gemini', 'part with 2 kinds of data', changed('gemini', 1, (p) => (inner(p, 'candidates', 0, 'content', 'parts', 0).fileData = {}))],
    ['gemini', 'parts after the finish reason', [...samples.gemini, samples.gemini[1] as SseEvent]],
    ['gemini', 'does not add up', changed('gemini', -1, (p) => (inner(p, 'usageMetadata').totalTokenCount = 1))],
    ['gemini', 'raw U+2028', [{ event: '', data: '{"candidates":[{"content":{"role":"model","parts":[{"text":"a\u2028b"}]},"finishReason":"STOP"}]}' }]],
    ['gemini', 'function arguments are no object', changed('gemini', -1, (p) => (inner(p, 'candidates', 0, 'content', 'parts', 0, 'functionCall').args = '{}'))],
  ];

  it.each(cases)('%s: %s', (dialect, problem, events) => {
    expect(validateStream(dialect, events).join('\n')).toContain(problem);
  });

  it('data that is no JSON is a problem and nothing throws', () => {
    for (const dialect of dialects) {
      expect(validateStream(dialect, [{ event: 'x', data: '{' }, { event: '', data: '7' }, { event: '', data: '{}' }])).not.toEqual([]);
    }
  });
});
