import { utf8Length } from './bytes.ts';
import type { Dialect } from './dialect.ts';
import { errorInPayload } from './errors.ts';
import { asArray, asFields, asText, jsonBytes } from './json.ts';
import type { Fields } from './json.ts';
import type { Notes } from './notes.ts';
import { readEvent } from './read-event.ts';

/** Takes a whole JSON answer into the notes. An answer that parsed is finished: it cannot have been cut. */
export function readAnswer(notes: Notes, body: unknown): void {
  const list = asArray(body);
  if (list !== undefined) {
    // Gemini's stream without `alt=sse` that was waited for; other lists come from relays that batch events.
    for (const item of list) {
      const payload = asFields(item);
      if (payload !== undefined) readEvent(notes, payload, '');
    }
    notes.finished = true;
    return;
  }
  const answer = asFields(body);
  if (answer === undefined) return;
  const inner = asFields(answer.response) ?? answer;
  notes.error = errorInPayload(answer, '');
  notes.identify(inner.model ?? inner.modelVersion, inner.id ?? inner.responseId);
  notes.addServiceTier(inner.service_tier ?? asFields(inner.usage)?.service_tier);
  notes.promptCacheKey ??= asText(inner.prompt_cache_key);
  notes.usageFinal = notes.addUsage(answer);
  // An end without content is legal if the model spoke and was counted; without a count it is a fault of the upstream.
  const endedCounted = asText(inner.stop_reason) !== undefined && (notes.usage?.output ?? 0) > 0;
  notes.contentSeen = notes.error === undefined && (contentTests[notes.dialect](inner) || endedCounted || isOtherAnswer(inner));
  notes.textBytes = contentKeys.reduce((bytes, key) => bytes + textBytesIn(inner[key], key), 0);
  notes.finished = true;
}

const contentTests: Record<Dialect, (answer: Fields) => boolean> = {
  // Without content an end of turn is a fault of the upstream; other reasons to stop explain themselves.
  anthropic: (answer) => isFilled(answer.content) || (Array.isArray(answer.content) && isLegalEmptyStop(answer.stop_reason)),
  'openai-chat': (answer) => isFilled(answer.choices),
  'openai-responses': (answer) =>
    isFilled(answer.output) || ['incomplete', 'in_progress', 'queued', 'cancelled'].includes(asText(answer.status) ?? ''),
  gemini: (answer) => isFilled(answer.candidates) || asText(asFields(answer.promptFeedback)?.blockReason) !== undefined,
};

function isLegalEmptyStop(reason: unknown): boolean {
  return asText(reason) !== undefined && reason !== 'end_turn' && reason !== 'tool_use';
}

/** Answers of the other operations that travel the same paths: token counts, embeddings, images, moderations, transcripts. */
function isOtherAnswer(answer: Fields): boolean {
  if (typeof answer.input_tokens === 'number' || typeof answer.totalTokens === 'number') return true;
  if (asFields(answer.embedding) !== undefined || asText(answer.text) !== undefined) return true;
  return ['data', 'results', 'embeddings', 'models', 'predictions'].some((key) => isFilled(answer[key]));
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

const contentKeys = ['content', 'choices', 'output', 'candidates'] as const;
const textKeys = new Set(['text', 'thinking', 'content', 'reasoning_content', 'reasoning', 'refusal', 'arguments', 'input', 'code']);
/** Texts stand at most about six levels deep; deeper is tool data, or an attempt to overflow the stack. */
const maxTextDepth = 16;

/** UTF-8 bytes of the texts and tool arguments under `value`, which stands under `key`. */
function textBytesIn(value: unknown, key: string, depth = 0): number {
  if (typeof value === 'string') return textKeys.has(key) ? utf8Length(value) : 0;
  if (depth > maxTextDepth) return 0;
  const list = asArray(value);
  if (list !== undefined) return list.reduce<number>((bytes, item) => bytes + textBytesIn(item, key, depth + 1), 0);
  const fields = asFields(value);
  if (fields === undefined) return 0;
  // Arguments as an object: what counts is their JSON.
  if (key === 'input' || key === 'args') return jsonBytes(fields);
  return Object.entries(fields).reduce((bytes, [name, inner]) => bytes + textBytesIn(inner, name, depth + 1), 0);
}
