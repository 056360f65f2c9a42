import type { Dialect, SseEvent } from '../src/index.ts';
import { encodeSse } from '../src/index.ts';

const encoder = new TextEncoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The bytes of a stream of these events. */
export function streamOf(events: readonly SseEvent[]): Uint8Array {
  return bytesOf(events.map(encodeSse).join(''));
}

/** Named events with their payloads; the name is also the payload's type. */
function typed(payloads: readonly ({ type: string } & Record<string, unknown>)[]): SseEvent[] {
  return payloads.map((payload) => ({ event: payload.type, data: JSON.stringify(payload) }));
}

function unnamed(payloads: readonly unknown[]): SseEvent[] {
  return payloads.map((payload) => ({ event: '', data: typeof payload === 'string' ? payload : JSON.stringify(payload) }));
}

/** Output text of every sample: thinking, text and tool arguments. */
export const sampleTexts = { thinking: 'Hm, 天气?', text: 'Let me “look” 🌦.', arguments: '{"city":"Zürich","days":[1,2]}' };

const pieces = { text: ['Let me ', '“look” ', '🌦.'], arguments: ['{"city":', '"Zürich",', '"days":[1,2]}'] };

const anthropic: SseEvent[] = typed([
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: {
        input_tokens: 120,
        cache_creation_input_tokens: 200,
        cache_read_input_tokens: 3000,
        cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 40 },
        output_tokens: 1,
        service_tier: 'standard',
      },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'ping' },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: sampleTexts.thinking } },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
  ...pieces.text.map((text) => ({ type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text } })),
  { type: 'content_block_stop', index: 1 },
  { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} } },
  ...pieces.arguments.map((json) => ({
    type: 'content_block_delta',
    index: 2,
    delta: { type: 'input_json_delta', partial_json: json },
  })),
  { type: 'content_block_stop', index: 2 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 42 } },
  { type: 'message_stop' },
]);

function chunk(choices: unknown[], usage: unknown = null): Record<string, unknown> {
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1754000000, model: 'gpt-4o', service_tier: 'default', choices, usage };
}

function chatDelta(delta: unknown, finish: string | null = null): Record<string, unknown> {
  return chunk([{ index: 0, delta, logprobs: null, finish_reason: finish }]);
}

const chat: SseEvent[] = unnamed([
  chatDelta({ role: 'assistant', content: '', refusal: null }),
  chatDelta({ reasoning_content: sampleTexts.thinking }),
  ...pieces.text.map((content) => chatDelta({ content })),
  chatDelta({ tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }] }),
  ...pieces.arguments.map((json) => chatDelta({ tool_calls: [{ index: 0, function: { arguments: json } }] })),
  chatDelta({}, 'tool_calls'),
  chunk([], {
    prompt_tokens: 1320,
    completion_tokens: 42,
    total_tokens: 1362,
    prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 0 },
  }),
  '[DONE]',
]);

function response(status: string, output: unknown[], usage: unknown): Record<string, unknown> {
  const fixed = { id: 'resp_1', object: 'response', created_at: 1754000000, model: 'gpt-5-codex', error: null, service_tier: 'default' };
  return { ...fixed, status, output, usage, prompt_cache_key: 'thread-1' };
}

const reasoningItem = { id: 'rs_1', type: 'reasoning', summary: [{ type: 'summary_text', text: sampleTexts.thinking }] };
const textPart = { type: 'output_text', text: sampleTexts.text, annotations: [] };
const messageItem = { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content: [textPart] };
const callItem = { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'weather', arguments: sampleTexts.arguments, status: 'completed' };

const responses: SseEvent[] = typed(
  [
    { type: 'response.created', response: response('in_progress', [], null) },
    { type: 'response.in_progress', response: response('in_progress', [], null) },
    { type: 'response.output_item.added', output_index: 0, item: { ...reasoningItem, summary: [] } },
    {
      type: 'response.reasoning_summary_part.added',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 0,
      part: { type: 'summary_text', text: '' },
    },
    { type: 'response.reasoning_summary_text.delta', item_id: 'rs_1', output_index: 0, summary_index: 0, delta: sampleTexts.thinking },
    { type: 'response.reasoning_summary_text.done', item_id: 'rs_1', output_index: 0, summary_index: 0, text: sampleTexts.thinking },
    {
      type: 'response.reasoning_summary_part.done',
      item_id: 'rs_1',
      output_index: 0,
      summary_index: 0,
      part: { type: 'summary_text', text: sampleTexts.thinking },
    },
    { type: 'response.output_item.done', output_index: 0, item: reasoningItem },
    { type: 'response.output_item.added', output_index: 1, item: { ...messageItem, status: 'in_progress', content: [] } },
    {
      type: 'response.content_part.added',
      item_id: 'msg_1',
      output_index: 1,
      content_index: 0,
      part: { type: 'output_text', text: '', annotations: [] },
    },
    ...pieces.text.map((delta) => ({ type: 'response.output_text.delta', item_id: 'msg_1', output_index: 1, content_index: 0, delta })),
    { type: 'response.output_text.done', item_id: 'msg_1', output_index: 1, content_index: 0, text: sampleTexts.text },
    { type: 'response.content_part.done', item_id: 'msg_1', output_index: 1, content_index: 0, part: textPart },
    { type: 'response.output_item.done', output_index: 1, item: messageItem },
    { type: 'response.output_item.added', output_index: 2, item: { ...callItem, arguments: '', status: 'in_progress' } },
    ...pieces.arguments.map((delta) => ({ type: 'response.function_call_arguments.delta', item_id: 'fc_1', output_index: 2, delta })),
    { type: 'response.function_call_arguments.done', item_id: 'fc_1', output_index: 2, arguments: sampleTexts.arguments },
    { type: 'response.output_item.done', output_index: 2, item: callItem },
    {
      type: 'response.completed',
      response: response('completed', [reasoningItem, messageItem, callItem], {
        input_tokens: 1320,
        input_tokens_details: { cached_tokens: 1024 },
        output_tokens: 42,
        output_tokens_details: { reasoning_tokens: 10 },
        total_tokens: 1362,
      }),
    },
  ].map((payload, index) => ({ ...payload, sequence_number: index })),
);

function answer(parts: unknown[], usage: Record<string, number>, finishReason?: string): Record<string, unknown> {
  const candidate = { content: { role: 'model', parts }, index: 0, ...(finishReason === undefined ? {} : { finishReason }) };
  const totalTokenCount = (usage.promptTokenCount ?? 0) + (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0);
  return {
    candidates: [candidate],
    usageMetadata: { ...usage, totalTokenCount },
    modelVersion: 'gemini-2.5-pro',
    responseId: 'r1',
  };
}

const prompt = { promptTokenCount: 1320, cachedContentTokenCount: 1024 };

/** Gemini's sample as the list of answers that its stream is made of. */
export const geminiAnswers: readonly Record<string, unknown>[] = [
  answer([{ text: sampleTexts.thinking, thought: true }], { ...prompt, thoughtsTokenCount: 10 }),
  ...pieces.text.map((text, index) => answer([{ text }], { ...prompt, candidatesTokenCount: 4 + index, thoughtsTokenCount: 10 })),
  answer(
    [{ functionCall: { name: 'weather', args: JSON.parse(sampleTexts.arguments) as unknown }, thoughtSignature: 'c2ln' }],
    { ...prompt, candidatesTokenCount: 32, thoughtsTokenCount: 10 },
    'STOP',
  ),
];

/** One legal stream per dialect, each with thinking, text in several deltas, a tool call, and usage. */
export const samples: Readonly<Record<Dialect, readonly SseEvent[]>> = {
  anthropic,
  'openai-chat': chat,
  'openai-responses': responses,
  gemini: unnamed(geminiAnswers),
};
