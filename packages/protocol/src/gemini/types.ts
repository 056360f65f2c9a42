import type { FinishReason } from '../chat.ts';
import { asFields } from '../json.ts';
import type { Fields } from '../json.ts';

/** Top-level fields of a request that the decoder reads, in both of Google's spellings. */
export const requestFields: ReadonlySet<string> = both([
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
  // Also in the path, from where the hub has it.
  'model',
  'cachedContent',
]);

export const generationFields: ReadonlySet<string> = both([
  'temperature',
  'topP',
  'topK',
  'maxOutputTokens',
  'stopSequences',
  'candidateCount',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'presencePenalty',
  'frequencyPenalty',
  'seed',
  'thinkingConfig',
  'responseModalities',
]);

function both(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.flatMap((name) => [name, snakeCase(name)]));
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const snakeNames = new Map<string, string>();

/** A field in Google's usual spelling, else in the underscore one that its servers take as well. */
export function get(fields: Fields | undefined, name: string): unknown {
  if (fields === undefined) return undefined;
  const value = fields[name];
  if (value !== undefined) return value;
  let snake = snakeNames.get(name);
  if (snake === undefined) {
    snake = snakeCase(name);
    snakeNames.set(name, snake);
  }
  return snake === name ? undefined : fields[snake];
}

export function getFields(fields: Fields | undefined, name: string): Fields | undefined {
  return asFields(get(fields, name));
}

const finishReasons: Record<string, FinishReason> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content-filter',
  RECITATION: 'content-filter',
  LANGUAGE: 'content-filter',
  BLOCKLIST: 'content-filter',
  PROHIBITED_CONTENT: 'content-filter',
  SPII: 'content-filter',
  IMAGE_SAFETY: 'content-filter',
  IMAGE_PROHIBITED_CONTENT: 'content-filter',
  IMAGE_RECITATION: 'content-filter',
};

/** Reasons that mean that there is no usable answer: shown as an error, so that clients repeat the request. */
export const failures: Record<string, string> = {
  MALFORMED_FUNCTION_CALL: 'the model wrote a function call that cannot be read',
  UNEXPECTED_TOOL_CALL: 'the model called a tool that it was not given',
  TOO_MANY_TOOL_CALLS: 'the model called too many tools',
  MISSING_THOUGHT_SIGNATURE: 'the upstream misses a thought signature',
  MALFORMED_RESPONSE: 'the model wrote an answer that cannot be read',
};

/** Undefined while the answer goes on; an unknown reason is an ordinary end. */
export function finishOf(reason: unknown): FinishReason | undefined {
  if (typeof reason !== 'string' || reason === '' || reason === 'FINISH_REASON_UNSPECIFIED') return undefined;
  return finishReasons[reason] ?? 'stop';
}

/** Tool calls are an ordinary end in this dialect. */
export function finishReasonOf(finish: FinishReason): string {
  switch (finish) {
    case 'stop':
    case 'stop-sequence':
    case 'tool-calls':
    case 'pause':
      return 'STOP';
    case 'length':
    case 'context':
      return 'MAX_TOKENS';
    case 'refusal':
    case 'content-filter':
      return 'SAFETY';
  }
}
