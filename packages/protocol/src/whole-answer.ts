import { assertNever } from './chat.ts';
import type { AnswerPart, ChatEvent, ChatResponse, Seal } from './chat.ts';
import type { Dialect } from './dialect.ts';
import { AnswerError } from './drops.ts';
import type { DropLog } from './drops.ts';
import { customInput, unreadableInput } from './tool-names.ts';
import type { ToolNames } from './tool-names.ts';

/** A whole answer with its tool calls under the names that the client gave. Throws AnswerError for a call that cannot be read. */
export function restoreNames(response: ChatResponse, names: ToolNames, drops: DropLog): ChatResponse {
  if (names.size === 0) return response;
  const parts = response.parts.flatMap((part): AnswerPart[] => {
    const original = part.type === 'tool-call' ? names.get(part.name) : undefined;
    if (part.type !== 'tool-call' || original === undefined) return [part];
    const restored = { ...part, ...original };
    if (original.custom !== true || part.custom === true) return [restored];
    const input = customInput(part.input);
    if (input !== undefined) return [{ ...restored, input }];
    if (response.finish !== 'length') throw new AnswerError(unreadableInput());
    drops.add('answer-tool-cut', 'tool call');
    return [];
  });
  return { ...response, parts };
}

/** A whole answer as the stream that it might have been: for upstreams that were asked for one and answered at once. */
export function eventsOf(response: ChatResponse, origin: Dialect): ChatEvent[] {
  const { id, model, created, usage, finish: reason, stopSequence } = response;
  return [
    { type: 'start', id, model, created, usage },
    ...response.parts.flatMap((part) => eventsOfPart(part, { origin, data: '' })),
    { type: 'finish', reason, stopSequence, usage },
  ];
}

function eventsOfPart(part: AnswerPart, unsealed: Seal): ChatEvent[] {
  switch (part.type) {
    case 'text': {
      if (part.text === '') return [];
      const citations = (part.citations ?? []).map((citation): ChatEvent => ({ type: 'citation', citation }));
      return [{ type: 'text-start' }, { type: 'text-delta', text: part.text }, ...citations, { type: 'text-end' }];
    }
    case 'refusal':
      return [{ type: 'refusal-start' }, { type: 'refusal-delta', text: part.text }, { type: 'refusal-end' }];
    case 'reasoning': {
      const delta: ChatEvent[] = part.text === '' ? [] : [{ type: 'reasoning-delta', text: part.text }];
      return [{ type: 'reasoning-start' }, ...delta, { type: 'reasoning-end', seal: part.seal ?? unsealed }];
    }
    case 'tool-call': {
      const { id, name, namespace, custom = false } = part;
      const text = part.input === '' && !custom ? '{}' : part.input;
      return [{ type: 'tool-start', id, name, namespace, custom }, { type: 'tool-delta', text }, { type: 'tool-end' }];
    }
    case 'search':
      return [{ type: 'search', search: part }];
    case 'image':
      return part.source.kind === 'base64' ? [{ type: 'image', mediaType: part.source.mediaType, data: part.source.data }] : [];
    default:
      return assertNever(part);
  }
}
