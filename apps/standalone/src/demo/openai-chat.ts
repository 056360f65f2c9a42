import { argumentPieces, type Answer, type Ask, pieces, type Tool } from './answer.ts';
import { type DemoDialect, frame } from './dialect.ts';
import { asCount, asFields, asText, type Fields, fieldsOf, textsOf } from './fields.ts';
import { countTokens } from './tokens.ts';

/** OpenAI chat completions. */
export const openaiChat: DemoDialect = { read, whole, frames, error: openaiError };

function read(body: Fields): Ask | string {
  const model = asText(body['model']);
  if (!model) return 'you must provide a model parameter';
  const messages = fieldsOf(body['messages']);
  if (messages.length === 0) return 'messages must be a list with at least one message';
  const userMessages = messages.filter((message) => message['role'] === 'user');
  return {
    model,
    lastUserText: textsOf(userMessages.at(-1)?.['content']).at(-1) ?? '',
    inputTokens: countTokens([messages, body['tools']]),
    maxTokens: asCount(body['max_completion_tokens']) ?? asCount(body['max_tokens']),
    forcedTool: forcedTool(body),
    textSchema: asFields(asFields(body['response_format'])?.['json_schema'])?.['schema'],
    streaming: body['stream'] === true,
    includeUsage: asFields(body['stream_options'])?.['include_usage'] === true,
  };
}

function forcedTool(body: Fields): Tool | undefined {
  const functions = fieldsOf(body['tools']).map((tool) => asFields(tool['function'])).filter((tool) => tool !== undefined);
  const wanted = asText(asFields(asFields(body['tool_choice'])?.['function'])?.['name']);
  const chosen = body['tool_choice'] === 'required' ? functions[0] : functions.find((tool) => tool['name'] === wanted);
  const name = asText(chosen?.['name']);
  return chosen === undefined || name === undefined ? undefined : { name, schema: chosen['parameters'] };
}

function whole(answer: Answer): object {
  const { toolCall } = answer;
  const message =
    toolCall === undefined
      ? { role: 'assistant', content: answer.text, refusal: null }
      : { role: 'assistant', content: null, refusal: null, tool_calls: [call(answer, toolCall, JSON.stringify(toolCall.arguments))] };
  const choice = { index: 0, message, logprobs: null, finish_reason: finishReason(answer) };
  return { ...head(answer), object: 'chat.completion', choices: [choice], usage: usage(answer) };
}

function head(answer: Answer): Record<string, unknown> {
  return { id: `chatcmpl-${answer.id}`, created: answer.created, model: answer.model };
}

function call(answer: Answer, { name }: { name: string }, args: string): Record<string, unknown> {
  return { id: `call_${answer.id}`, type: 'function', function: { name, arguments: args } };
}

function usage(answer: Answer): object {
  return {
    prompt_tokens: answer.inputTokens,
    completion_tokens: answer.outputTokens,
    total_tokens: answer.inputTokens + answer.outputTokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

function finishReason({ toolCall, truncated }: Answer): string {
  if (toolCall !== undefined) return 'tool_calls';
  return truncated ? 'length' : 'stop';
}

function frames(answer: Answer, { includeUsage }: Ask): readonly string[] {
  const chunk = (choices: readonly object[], rest: object = {}) =>
    frame({ ...head(answer), object: 'chat.completion.chunk', choices, ...(includeUsage ? { usage: null } : {}), ...rest });
  const choice = (delta: object, finish: string | null = null) => [{ index: 0, delta, logprobs: null, finish_reason: finish }];
  const { toolCall } = answer;
  const first = toolCall === undefined ? { content: '' } : { content: null, tool_calls: [{ index: 0, ...call(answer, toolCall, '') }] };
  const deltas =
    toolCall === undefined
      ? pieces(answer.text).map((content) => ({ content }))
      : argumentPieces(toolCall).map((part) => ({ tool_calls: [{ index: 0, function: { arguments: part } }] }));
  return [
    chunk(choice({ role: 'assistant', ...first })),
    ...deltas.map((delta) => chunk(choice(delta))),
    chunk(choice({}, finishReason(answer))),
    ...(includeUsage ? [chunk([], { usage: usage(answer) })] : []),
    'data: [DONE]\n\n',
  ];
}

/** OpenAI's error body, the same for chat completions and Responses. */
export function openaiError(status: number, message: string): object {
  const type = status === 401 ? 'authentication_error' : 'invalid_request_error';
  return { error: { message, type, param: null, code: status === 401 ? 'invalid_api_key' : null } };
}
