import { complete, type FullReply, openaiUsage, type Reply, type ReplyUsage, sse } from './reply.ts';

const id = 'resp_FAKE0000000000000000000001';
const messageId = 'msg_FAKE1';
/** Reasoning models begin with one; its text is not shown. */
const reasoningItem = { id: 'rs_FAKE1', type: 'reasoning', summary: [] };

type Json = Record<string, unknown>;

/** A whole Responses answer. */
export function responsesBody(reply: Reply = {}): Json {
  return completed(completeReply(reply));
}

/** A Responses stream, one server-sent event per element, `response.created` to `response.completed`. */
export function responsesStream(reply: Reply = {}): string[] {
  const full = completeReply(reply);
  const frames: string[] = [];
  const emit = (type: string, fields: Json): void => {
    frames.push(sse(type, { type, sequence_number: frames.length, ...fields }));
  };
  const begun = envelope(full, { status: 'in_progress', output: [], usage: null });
  emit('response.created', { response: begun });
  emit('response.in_progress', { response: begun });
  emit('response.output_item.added', { output_index: 0, item: reasoningItem });
  emit('response.output_item.done', { output_index: 0, item: reasoningItem });
  let index = 1;
  if (full.text !== '') emitText(emit, full, index++);
  for (const call of full.toolCalls) emitCall(emit, call, index++);
  emit('response.completed', { response: completed(full) });
  return frames;
}

type Emit = (type: string, fields: Json) => void;

function emitText(emit: Emit, full: FullReply, index: number): void {
  const place = { item_id: messageId, output_index: index, content_index: 0 };
  emit('response.output_item.added', {
    output_index: index,
    item: { id: messageId, type: 'message', status: 'in_progress', content: [], role: 'assistant' },
  });
  emit('response.content_part.added', { ...place, part: textPart('') });
  for (const delta of full.pieces) emit('response.output_text.delta', { ...place, delta, logprobs: [] });
  emit('response.output_text.done', { ...place, text: full.text, logprobs: [] });
  emit('response.content_part.done', { ...place, part: textPart(full.text) });
  emit('response.output_item.done', {
    output_index: index,
    item: { id: messageId, type: 'message', status: 'completed', content: [textPart(full.text)], role: 'assistant' },
  });
}

function emitCall(emit: Emit, call: FullReply['toolCalls'][number], index: number): void {
  const done = callItem(call);
  const json = JSON.stringify(call.arguments);
  const middle = Math.ceil(json.length / 2);
  const place = { item_id: done['id'], output_index: index };
  emit('response.output_item.added', { output_index: index, item: { ...done, status: 'in_progress', arguments: '' } });
  for (const delta of [json.slice(0, middle), json.slice(middle)]) emit('response.function_call_arguments.delta', { ...place, delta });
  emit('response.function_call_arguments.done', { ...place, arguments: json });
  emit('response.output_item.done', { output_index: index, item: done });
}

function completeReply(reply: Reply): FullReply {
  return complete(reply, 'gpt-5-codex', openaiUsage, 'call_FAKE');
}

function textPart(text: string): Json {
  return { type: 'output_text', annotations: [], logprobs: [], text };
}

function callItem(call: FullReply['toolCalls'][number]): Json {
  return {
    id: call.id.replace(/^call/, 'fc'),
    type: 'function_call',
    status: 'completed',
    arguments: JSON.stringify(call.arguments),
    call_id: call.id,
    name: call.name,
  };
}

function completed(full: FullReply): Json {
  const message = { id: messageId, type: 'message', status: 'completed', role: 'assistant', content: [textPart(full.text)] };
  const output = [
    reasoningItem,
    ...(full.text === '' ? [] : [message]),
    ...full.toolCalls.map(callItem),
  ];
  return envelope(full, { status: 'completed', output, usage: full.usage === null ? undefined : usageOf(full.usage) });
}

/** The response object around `parts`, with the fields of a stored answer; a part that is undefined is left out of the JSON. */
function envelope(full: FullReply, parts: { status: string; output: unknown[]; usage: Json | null | undefined }): Json {
  return {
    id,
    object: 'response',
    created_at: 1_754_000_000,
    status: parts.status,
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    model: full.model,
    output: parts.output,
    parallel_tool_calls: true,
    previous_response_id: null,
    prompt_cache_key: null,
    reasoning: { effort: 'medium', summary: null },
    safety_identifier: null,
    service_tier: 'default',
    store: false,
    temperature: 1,
    text: { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    truncation: 'disabled',
    ...(parts.usage === undefined ? {} : { usage: parts.usage }),
    user: null,
    metadata: {},
  };
}

function usageOf(usage: ReplyUsage): Json {
  const input = usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheRead },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + usage.output,
  };
}
