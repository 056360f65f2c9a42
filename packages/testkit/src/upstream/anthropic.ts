import { anthropicUsage, complete, type FullReply, type Reply, type ReplyUsage, sse } from './reply.ts';

const id = 'msg_01FAKE0000000000000000001';

/** A whole Messages answer. */
export function anthropicBody(reply: Reply = {}): Record<string, unknown> {
  const full = completeReply(reply);
  const text = full.text === '' ? [] : [{ type: 'text', text: full.text }];
  const tools = full.toolCalls.map((call) => ({ type: 'tool_use', id: call.id, name: call.name, input: call.arguments }));
  return {
    ...message(full),
    content: [...text, ...tools],
    stop_reason: stopReason(full),
    stop_sequence: null,
    ...(full.usage === null ? {} : { usage: startUsage(full.usage, full.usage.output) }),
  };
}

/** A Messages stream, one server-sent event per element, `message_start` to `message_stop`. */
export function anthropicStream(reply: Reply = {}): string[] {
  const full = completeReply(reply);
  const frames = [messageStart(full)];
  let index = 0;
  if (full.text !== '') frames.push(...textBlock(full.pieces, index++));
  for (const call of full.toolCalls) frames.push(...toolBlock(call, index++));
  const { usage } = full;
  frames.push(
    event({
      type: 'message_delta',
      delta: { stop_reason: stopReason(full), stop_sequence: null },
      ...(usage === null ? {} : { usage: { ...inputUsage(usage), output_tokens: usage.output } }),
    }),
    event({ type: 'message_stop' }),
  );
  return frames;
}

function completeReply(reply: Reply): FullReply {
  return complete(reply, 'claude-sonnet-4-5-20250929', anthropicUsage, 'toolu_FAKE');
}

function message(full: FullReply): Record<string, unknown> {
  return { id, type: 'message', role: 'assistant', model: full.model };
}

function stopReason(full: FullReply): string {
  return full.toolCalls.length > 0 ? 'tool_use' : 'end_turn';
}

function messageStart(full: FullReply): string {
  const usage = full.usage === null ? {} : { usage: startUsage(full.usage, Math.min(1, full.usage.output)) };
  const start = { ...message(full), content: [], stop_reason: null, stop_sequence: null, ...usage };
  return event({ type: 'message_start', message: start });
}

function textBlock(pieces: readonly string[], index: number): string[] {
  return [
    event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } }),
    event({ type: 'ping' }),
    ...pieces.map((text) => event({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } })),
    event({ type: 'content_block_stop', index }),
  ];
}

function toolBlock(call: FullReply['toolCalls'][number], index: number): string[] {
  const json = JSON.stringify(call.arguments);
  const middle = Math.ceil(json.length / 2);
  const deltas = ['', json.slice(0, middle), json.slice(middle)];
  return [
    event({ type: 'content_block_start', index, content_block: { type: 'tool_use', id: call.id, name: call.name, input: {} } }),
    ...deltas.map((part) => event({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: part } })),
    event({ type: 'content_block_stop', index }),
  ];
}

function inputUsage(usage: ReplyUsage): Record<string, unknown> {
  return {
    input_tokens: usage.input,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    cache_read_input_tokens: usage.cacheRead,
  };
}

function startUsage(usage: ReplyUsage, output: number): Record<string, unknown> {
  return {
    ...inputUsage(usage),
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheWrite5m, ephemeral_1h_input_tokens: usage.cacheWrite1h },
    output_tokens: output,
    service_tier: 'standard',
  };
}

function event(payload: { readonly type: string; readonly [field: string]: unknown }): string {
  return sse(payload.type, payload);
}
