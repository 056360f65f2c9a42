/** What is sent and what comes back, known to the upstream and to the load generator. */

export const workloadNames = ['small-json', 'sse-50', 'body-400k', 'sse-2000'] as const;
export type WorkloadName = (typeof workloadNames)[number];

export interface Workload {
  readonly name: WorkloadName;
  readonly title: string;
  /** What the upstream answers; the client says so in a header that proxies pass on. */
  readonly answer: AnswerName;
  readonly request: 'small' | 'agent';
  /** Requests in flight that saturate a proxy on one core. */
  readonly concurrency: number;
}

export const workloads: Readonly<Record<WorkloadName, Workload>> = {
  'small-json': { name: 'small-json', title: 'small JSON', answer: 'json', request: 'small', concurrency: 32 },
  'sse-50': { name: 'sse-50', title: 'SSE, 50 chunks', answer: 'sse-50', request: 'small', concurrency: 32 },
  'body-400k': { name: 'body-400k', title: '400 KB request', answer: 'json', request: 'agent', concurrency: 8 },
  'sse-2000': { name: 'sse-2000', title: 'SSE, 2,000 chunks', answer: 'sse-2000', request: 'small', concurrency: 8 },
};

/** "hold": a stream that says something each second and never ends. */
export const answerNames = ['json', 'sse-50', 'sse-2000', 'hold'] as const;
export type AnswerName = (typeof answerNames)[number];

export const answerHeader = 'x-bench-answer';
export const model = 'claude-sonnet-4-5';

export const users = 20;

/** The hub key of a user, from 1. */
export function hubKey(user: number): string {
  return `sk-bench-${String(user).padStart(4, '0')}-0123456789abcdef0123456789abcdef`;
}

const usage = { input_tokens: 1200, cache_creation_input_tokens: 0, cache_read_input_tokens: 800, output_tokens: 60 };
const message = { id: 'msg_01BENCH00000000000000001', type: 'message', role: 'assistant', model };

export function jsonAnswer(): Buffer {
  const text = 'The function reads the file line by line and returns the number of lines that match the pattern it was given.';
  const body = { ...message, content: [{ type: 'text', text }], stop_reason: 'end_turn', stop_sequence: null, usage };
  return Buffer.from(JSON.stringify(body));
}

/** A Messages stream as it goes on the wire, one element per write. */
export function streamAnswer(deltas: number): Buffer[] {
  const frames = [...streamStart()];
  for (let index = 0; index < deltas; index++) frames.push(streamDelta(index));
  frames.push(
    event({ type: 'content_block_stop', index: 0 }),
    event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: deltas } }),
    event({ type: 'message_stop' }),
  );
  return frames;
}

export function streamStart(): Buffer[] {
  return [
    event({ type: 'message_start', message: { ...message, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } } }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    event({ type: 'ping' }),
  ];
}

const words = ['the ', 'function ', 'reads ', 'one ', 'line ', 'after ', 'another ', 'and ', 'counts '];

export function streamDelta(index: number): Buffer {
  return event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words[index % words.length] ?? '' } });
}

function event(payload: { readonly type: string; readonly [field: string]: unknown }): Buffer {
  return Buffer.from(`event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n`);
}

/** Bytes of a complete answer's body without its transfer coding. */
export function answerBytes(answer: AnswerName): number {
  if (answer === 'json') return jsonAnswer().length;
  if (answer === 'hold') return 0;
  return streamAnswer(chunksOf(answer)).reduce((sum, frame) => sum + frame.length, 0);
}

/** Deltas so that the whole stream has the number of chunks that its name says. */
export function chunksOf(answer: 'sse-50' | 'sse-2000'): number {
  const frame = 6;
  return (answer === 'sse-50' ? 50 : 2000) - frame;
}
