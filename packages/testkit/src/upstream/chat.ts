import { complete, type FullReply, openaiUsage, type Reply, type ReplyUsage, sse } from './reply.ts';

const identity = { id: 'chatcmpl-FAKE00000000000000000001', created: 1_754_000_000 };

/** A whole Chat Completions answer. */
export function chatBody(reply: Reply = {}): Record<string, unknown> {
  const full = completeReply(reply);
  const calls = full.toolCalls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: JSON.stringify(call.arguments) } }));
  const message = {
    role: 'assistant',
    content: full.text === '' ? null : full.text,
    refusal: null,
    annotations: [],
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
  return {
    id: identity.id,
    object: 'chat.completion',
    created: identity.created,
    model: full.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(full) }],
    ...(full.usage === null ? {} : { usage: usageOf(full.usage) }),
    service_tier: 'default',
    system_fingerprint: 'fp_fake',
  };
}

export interface ChatStreamOptions extends Reply {
  /** As `stream_options.include_usage`: a last chunk without choices carries the usage. Unset: true. */
  readonly includeUsage?: boolean;
}

/** A Chat Completions stream, one server-sent event per element, up to `[DONE]`. */
export function chatStream(options: ChatStreamOptions = {}): string[] {
  const full = completeReply(options);
  const usage = (options.includeUsage ?? true) ? full.usage : null;
  const chunk = (choices: unknown[], total: unknown = null): string =>
    sse('', {
      id: identity.id,
      object: 'chat.completion.chunk',
      created: identity.created,
      model: full.model,
      service_tier: 'default',
      system_fingerprint: 'fp_fake',
      choices,
      ...(usage === null ? {} : { usage: total }),
    });
  const choice = (delta: unknown, finish: string | null = null) => [{ index: 0, delta, logprobs: null, finish_reason: finish }];
  const frames = [chunk(choice({ role: 'assistant', content: '', refusal: null }))];
  for (const content of full.pieces) frames.push(chunk(choice({ content })));
  for (const [index, call] of full.toolCalls.entries()) {
    const json = JSON.stringify(call.arguments);
    const middle = Math.ceil(json.length / 2);
    frames.push(chunk(choice({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] })));
    for (const part of [json.slice(0, middle), json.slice(middle)]) {
      frames.push(chunk(choice({ tool_calls: [{ index, function: { arguments: part } }] })));
    }
  }
  frames.push(chunk(choice({}, finishReason(full))));
  if (usage !== null) frames.push(chunk([], usageOf(usage)));
  frames.push(sse('', '[DONE]'));
  return frames;
}

function completeReply(reply: Reply): FullReply {
  return complete(reply, 'gpt-4o', openaiUsage, 'call_FAKE');
}

function finishReason(full: FullReply): string {
  return full.toolCalls.length > 0 ? 'tool_calls' : 'stop';
}

function usageOf(usage: ReplyUsage): Record<string, unknown> {
  const prompt = usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.output,
    total_tokens: prompt + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cacheRead, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
