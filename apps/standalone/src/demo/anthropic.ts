import { argumentPieces, type Answer, type Ask, pieces, type Tool } from './answer.ts';
import { type DemoDialect, frame } from './dialect.ts';
import { asCount, asFields, asText, type Fields, fieldsOf, textsOf } from './fields.ts';
import { countTokens } from './tokens.ts';

/** Anthropic Messages. */
export const anthropic: DemoDialect = { read, whole, frames, error };

/** What the request's input comes to: also the answer of count_tokens. */
export function anthropicInputTokens(body: Fields): number {
  return countTokens([body['system'], body['messages'], body['tools']]);
}

function read(body: Fields): Ask | string {
  const model = asText(body['model']);
  if (!model) return 'model: field required';
  const messages = fieldsOf(body['messages']);
  if (messages.length === 0) return 'messages: at least one message is required';
  return {
    model,
    lastUserText: lastWords(messages),
    inputTokens: anthropicInputTokens(body),
    maxTokens: asCount(body['max_tokens']),
    forcedTool: forcedTool(body),
    textSchema: asFields(asFields(body['output_config'])?.['format'])?.['schema'],
    streaming: body['stream'] === true,
    includeUsage: true,
  };
}

/** Coding tools put reminders of their own, in angle brackets, beside what the user typed. */
function lastWords(messages: readonly Fields[]): string {
  const texts = messages.filter((message) => message['role'] === 'user').flatMap((message) => textsOf(message['content']));
  return texts.findLast((text) => !text.trimStart().startsWith('<')) ?? texts.at(-1) ?? '';
}

function forcedTool(body: Fields): Tool | undefined {
  const choice = asFields(body['tool_choice']);
  const tools = fieldsOf(body['tools']);
  const chosen =
    choice?.['type'] === 'tool' ? tools.find((tool) => tool['name'] === choice['name']) : choice?.['type'] === 'any' ? tools[0] : undefined;
  const name = asText(chosen?.['name']);
  return chosen === undefined || name === undefined ? undefined : { name, schema: chosen['input_schema'] };
}

function whole(answer: Answer): object {
  const { toolCall } = answer;
  const content =
    toolCall === undefined
      ? [{ type: 'text', text: answer.text }]
      : [{ type: 'tool_use', id: `toolu_${answer.id}`, name: toolCall.name, input: toolCall.arguments }];
  return { ...head(answer), content, stop_reason: stopReason(answer), usage: { ...inputUsage(answer), output_tokens: answer.outputTokens } };
}

function head(answer: Answer): Record<string, unknown> {
  return { id: `msg_${answer.id}`, type: 'message', role: 'assistant', model: answer.model, content: [], stop_reason: null, stop_sequence: null };
}

function inputUsage(answer: Answer): object {
  return { input_tokens: answer.inputTokens, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
}

function stopReason({ toolCall, truncated }: Answer): string {
  if (toolCall !== undefined) return 'tool_use';
  return truncated ? 'max_tokens' : 'end_turn';
}

function frames(answer: Answer): readonly string[] {
  const send = (data: { type: string; [field: string]: unknown }) => frame(data, data.type);
  const { toolCall } = answer;
  const block =
    toolCall === undefined ? { type: 'text', text: '' } : { type: 'tool_use', id: `toolu_${answer.id}`, name: toolCall.name, input: {} };
  const deltas =
    toolCall === undefined
      ? pieces(answer.text).map((text) => ({ type: 'text_delta', text }))
      : argumentPieces(toolCall).map((part) => ({ type: 'input_json_delta', partial_json: part }));
  return [
    send({ type: 'message_start', message: { ...head(answer), usage: { ...inputUsage(answer), output_tokens: 1 } } }),
    send({ type: 'content_block_start', index: 0, content_block: block }) + send({ type: 'ping' }),
    ...deltas.map((delta) => send({ type: 'content_block_delta', index: 0, delta })),
    send({ type: 'content_block_stop', index: 0 }),
    send({
      type: 'message_delta',
      delta: { stop_reason: stopReason(answer), stop_sequence: null },
      usage: { ...inputUsage(answer), output_tokens: answer.outputTokens },
    }) + send({ type: 'message_stop' }),
  ];
}

const errorTypes: Readonly<Record<number, string>> = { 400: 'invalid_request_error', 401: 'authentication_error', 404: 'not_found_error', 413: 'request_too_large' };

function error(status: number, message: string): object {
  return { type: 'error', error: { type: errorTypes[status] ?? 'api_error', message } };
}
