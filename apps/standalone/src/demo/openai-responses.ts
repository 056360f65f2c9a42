import { argumentPieces, type Answer, type Ask, pieces, type Tool } from './answer.ts';
import { type DemoDialect, frame } from './dialect.ts';
import { asCount, asFields, asText, type Fields, fieldsOf, textsOf } from './fields.ts';
import { openaiError } from './openai-chat.ts';
import { countTokens } from './tokens.ts';

/** OpenAI Responses. */
export const openaiResponses: DemoDialect = { read, whole, frames, error: openaiError };

function read(body: Fields): Ask | string {
  const model = asText(body['model']);
  if (!model) return 'you must provide a model parameter';
  const input = body['input'];
  if (typeof input !== 'string' && !Array.isArray(input)) return 'input must be a text or a list of items';
  return {
    model,
    lastUserText: typeof input === 'string' ? input : lastWords(fieldsOf(input)),
    inputTokens: countTokens([body['instructions'], input, body['tools']]),
    maxTokens: asCount(body['max_output_tokens']),
    forcedTool: forcedTool(body),
    textSchema: asFields(asFields(body['text'])?.['format'])?.['schema'],
    streaming: body['stream'] === true,
    includeUsage: true,
  };
}

/** Coding tools put reminders of their own, in angle brackets, beside what the user typed. */
function lastWords(items: readonly Fields[]): string {
  const texts = items.filter((item) => item['role'] === 'user').flatMap((item) => textsOf(item['content']));
  return texts.findLast((text) => !text.trimStart().startsWith('<')) ?? texts.at(-1) ?? '';
}

function forcedTool(body: Fields): Tool | undefined {
  const functions = fieldsOf(body['tools']).filter((tool) => tool['type'] === 'function');
  const choice = asFields(body['tool_choice']);
  const wanted = choice?.['type'] === 'function' ? choice['name'] : undefined;
  const chosen = body['tool_choice'] === 'required' ? functions[0] : functions.find((tool) => tool['name'] === wanted);
  const name = asText(chosen?.['name']);
  return chosen === undefined || name === undefined ? undefined : { name, schema: chosen['parameters'] };
}

type Status = 'in_progress' | 'completed' | 'incomplete';

function whole(answer: Answer): object {
  return response(answer, answer.truncated ? 'incomplete' : 'completed', [outputItem(answer, 'completed', true)]);
}

function response(answer: Answer, status: Status, output: readonly object[]): object {
  const finished = status !== 'in_progress';
  return {
    id: `resp_${answer.id}`,
    object: 'response',
    created_at: answer.created,
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: null,
    metadata: {},
    model: answer.model,
    output,
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    store: false,
    usage: finished ? usage(answer) : null,
  };
}

function usage(answer: Answer): object {
  return {
    input_tokens: answer.inputTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: answer.outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: answer.inputTokens + answer.outputTokens,
  };
}

/** @param filled with its text or arguments, or as it is announced at its beginning */
function outputItem(answer: Answer, status: Status, filled: boolean): Record<string, unknown> {
  const { toolCall } = answer;
  if (toolCall === undefined) {
    return { type: 'message', id: `msg_${answer.id}`, status, role: 'assistant', content: filled ? [textPart(answer.text)] : [] };
  }
  const args = filled ? JSON.stringify(toolCall.arguments) : '';
  return { type: 'function_call', id: `fc_${answer.id}`, call_id: `call_${answer.id}`, status, name: toolCall.name, arguments: args };
}

function textPart(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function frames(answer: Answer): readonly string[] {
  let sequence = 0;
  const send = (type: string, rest: object) => frame({ type, sequence_number: sequence++, ...rest }, type);
  const started = response(answer, 'in_progress', []);
  const done = outputItem(answer, 'completed', true);
  const place = { item_id: done['id'], output_index: 0 };
  const middle = answer.toolCall === undefined ? textFrames(answer, place, send) : callFrames(answer.toolCall, place, send);
  // Built in order: the sequence numbers count up as they are made.
  const head = send('response.created', { response: started }) + send('response.in_progress', { response: started });
  const added = send('response.output_item.added', { output_index: 0, item: outputItem(answer, 'in_progress', false) });
  const body = middle();
  const end = send('response.output_item.done', { output_index: 0, item: done });
  const last = send(answer.truncated ? 'response.incomplete' : 'response.completed', { response: whole(answer) });
  return [head, added, ...body, end, last];
}

type Send = (type: string, rest: object) => string;

function textFrames(answer: Answer, place: object, send: Send): () => readonly string[] {
  const at = { ...place, content_index: 0 };
  return () => [
    send('response.content_part.added', { ...at, part: textPart('') }),
    ...pieces(answer.text).map((delta) => send('response.output_text.delta', { ...at, delta, logprobs: [] })),
    send('response.output_text.done', { ...at, text: answer.text, logprobs: [] }),
    send('response.content_part.done', { ...at, part: textPart(answer.text) }),
  ];
}

function callFrames(toolCall: NonNullable<Answer['toolCall']>, place: object, send: Send): () => readonly string[] {
  return () => [
    ...argumentPieces(toolCall).map((delta) => send('response.function_call_arguments.delta', { ...place, delta })),
    send('response.function_call_arguments.done', { ...place, name: toolCall.name, arguments: JSON.stringify(toolCall.arguments) }),
  ];
}
