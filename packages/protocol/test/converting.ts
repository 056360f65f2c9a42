import { SseDecoder, convertRequest, convertResponse, streamConverter, validateStream } from '../src/index.ts';
import type { AnswerOptions, ConvertedRequest, Dialect, StreamConverter } from '../src/index.ts';
import { dataFrames, namedFrames } from './cases/names.ts';
import { options } from './conversation.ts';

/** Short forms for tests that look at one thing of a conversion. */


export function request(from: Dialect, to: Dialect, body: unknown, more: Partial<AnswerOptions> = {}): ConvertedRequest {
  return convertRequest(from, to, body, options(more));
}

export function whole(from: Dialect, to: Dialect, body: unknown, more: Partial<AnswerOptions> = {}): Record<string, unknown> {
  return convertResponse(from, to, body, options(more));
}

export interface Streamed {
  payloads: Record<string, unknown>[];
  text: string;
  problems: string[];
  converter: StreamConverter;
}

/** An upstream's frames as the client gets them, parsed (`[DONE]` is left out), and judged. */
export function stream(from: Dialect, to: Dialect, frames: string | Uint8Array, more: Partial<AnswerOptions> = {}): Streamed {
  const converter = streamConverter(from, to, options({ includeUsage: true, ...more }));
  const output = [...converter.push(typeof frames === 'string' ? new TextEncoder().encode(frames) : frames), ...converter.end()];
  const decoder = new SseDecoder();
  const events = output.flatMap((piece) => decoder.push(piece));
  const payloads = events.filter((event) => event.data !== '[DONE]').map((event) => JSON.parse(event.data) as Record<string, unknown>);
  return { payloads, text: output.map((piece) => new TextDecoder().decode(piece)).join(''), problems: validateStream(to, events), converter };
}

/** A Chat Completions stream: deltas of choice 0, a reason, usage if given, `[DONE]`. */
export function chatStream(deltas: readonly object[], finish: string | null = 'stop', usage?: object): string {
  const chunk = (delta: object, reason: string | null): object => ({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: reason }] });
  return dataFrames([...deltas.map((delta) => chunk(delta, null)), chunk({}, finish), ...(usage === undefined ? [] : [{ id: 'chatcmpl-1', choices: [], usage }]), '[DONE]']);
}

/** A Messages stream around content events. */
export function messageStream(events: readonly object[], usage: { start: object; end: object } = { start: { input_tokens: 1, output_tokens: 1 }, end: { output_tokens: 2 } }, stop = 'end_turn'): string {
  return namedFrames([
    { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage: usage.start } },
    ...events,
    { type: 'message_delta', delta: { stop_reason: stop, stop_sequence: null }, usage: usage.end },
    { type: 'message_stop' },
  ] as { type: string }[]);
}

export function messageText(text: string, index = 0): object[] {
  return [
    { type: 'content_block_start', index, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index, delta: { type: 'text_delta', text } },
    { type: 'content_block_stop', index },
  ];
}

/** A generateContent stream, one chunk per list of parts. */
export function geminiStream(chunks: readonly (readonly object[])[], finishReason: string | undefined = 'STOP', usageMetadata: object = { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 }): string {
  return dataFrames(
    chunks.map((parts, index) => ({
      candidates: [{ content: { role: 'model', parts }, ...(index === chunks.length - 1 && finishReason !== undefined ? { finishReason } : {}) }],
      usageMetadata,
    })),
  );
}

/** The value at a path such as `choices.0.message.content`. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value);
}

export function user(content: unknown, more: object = {}): Record<string, unknown> {
  return { model: 'm', max_tokens: 4000, messages: [{ role: 'user', content }], ...more };
}
