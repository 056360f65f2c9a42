import { type Answer, type Ask, pieces, type Tool } from './answer.ts';
import type { DemoDialect } from './dialect.ts';
import { asCount, asFields, asList, asText, type Fields, fieldsOf, textsOf } from './fields.ts';
import { countTokens } from './tokens.ts';

/** Gemini generateContent and streamGenerateContent; its stream is SSE with alt=sse, else one JSON array. */
export const gemini: DemoDialect = { read, whole: (answer) => chunk(answer, answer.text, true), frames: sseFrames, error };

/** What the request's input comes to: also the answer of countTokens, which may carry a whole request inside. */
export function geminiInputTokens(body: Fields): number {
  const request = asFields(body['generateContentRequest']) ?? body;
  return countTokens([request['systemInstruction'], request['contents'], request['tools']]);
}

function read(body: Fields, path: { readonly model: string; readonly streaming: boolean }): Ask | string {
  const contents = fieldsOf(body['contents']);
  if (contents.length === 0) return 'contents is not specified';
  const config = asFields(body['generationConfig']);
  const spoken = contents.filter((content) => content['role'] !== 'model').flatMap((content) => textsOf(content['parts']));
  return {
    model: path.model,
    lastUserText: spoken.at(-1) ?? '',
    inputTokens: geminiInputTokens(body),
    maxTokens: asCount(config?.['maxOutputTokens']),
    forcedTool: forcedTool(body),
    textSchema: config?.['responseJsonSchema'] ?? config?.['responseSchema'],
    streaming: path.streaming,
    includeUsage: true,
  };
}

function forcedTool(body: Fields): Tool | undefined {
  const config = asFields(asFields(body['toolConfig'])?.['functionCallingConfig']);
  if (config?.['mode'] !== 'ANY') return undefined;
  const allowed = asList(config['allowedFunctionNames']);
  const functions = fieldsOf(body['tools']).flatMap((tool) => fieldsOf(tool['functionDeclarations']));
  const chosen = allowed.length === 0 ? functions[0] : functions.find((tool) => allowed.includes(tool['name']));
  const name = asText(chosen?.['name']);
  return chosen === undefined || name === undefined ? undefined : { name, schema: chosen['parametersJsonSchema'] ?? chosen['parameters'] };
}

function chunk(answer: Answer, text: string, last: boolean): object {
  const { toolCall } = answer;
  const part = toolCall === undefined ? { text } : { functionCall: { id: answer.id, name: toolCall.name, args: toolCall.arguments } };
  const finish = last ? { finishReason: answer.truncated ? 'MAX_TOKENS' : 'STOP' } : {};
  const output = last ? { candidatesTokenCount: answer.outputTokens } : {};
  return {
    candidates: [{ content: { role: 'model', parts: [part] }, ...finish, index: 0 }],
    usageMetadata: {
      promptTokenCount: answer.inputTokens,
      ...output,
      totalTokenCount: answer.inputTokens + (last ? answer.outputTokens : 0),
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: answer.inputTokens }],
    },
    modelVersion: answer.model,
    responseId: answer.id,
  };
}

function chunks(answer: Answer): readonly string[] {
  const texts = answer.toolCall === undefined ? pieces(answer.text) : [''];
  const parts = texts.length === 0 ? [''] : texts;
  return parts.map((text, index) => geminiJson(chunk(answer, text, index === parts.length - 1)));
}

function sseFrames(answer: Answer): readonly string[] {
  return chunks(answer).map((json) => `data: ${json}\r\n\r\n`);
}

/** The stream of a client that did not ask for SSE. */
export function geminiArrayFrames(answer: Answer): readonly string[] {
  const all = chunks(answer);
  return all.map((json, index) => `${index === 0 ? '[' : ',\r\n'}${json}${index === all.length - 1 ? ']' : ''}`);
}

/** Google escapes the two separators that some clients' line readers take for line ends. */
function geminiJson(value: object): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

const errorStatuses: Readonly<Record<number, string>> = { 400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 404: 'NOT_FOUND', 413: 'INVALID_ARGUMENT' };

function error(status: number, message: string): object {
  return { error: { code: status, message, status: errorStatuses[status] ?? 'INTERNAL' } };
}
