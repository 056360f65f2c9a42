import type { AudioPart, CacheHint, DocumentPart, ImagePart, Part, ReasoningPart, TextPart, ToolCallPart, Turn } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asNumber, asString, objectsOf, unreadNames } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { sourceOfUrl } from '../media.ts';
import { readSeal } from '../seal.ts';
import { messageFields } from './types.ts';

/** A message's `content`: plain text or a list of parts. */
export function decodeContent(content: unknown, path: string, drops: DropLog): Part[] {
  if (content == null) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw malformed(path, 'must be a text or a list of content parts');
  return content.flatMap((item, index) => {
    const fields = asFields(item);
    const place = `${path}[${index}]`;
    if (fields === undefined) throw malformed(place, 'must be a content part');
    return decodePart(fields, place, drops);
  });
}

function decodePart(part: Fields, path: string, drops: DropLog): Part[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: asString(part.text) ?? '', ...cacheOf(part) }];
    case 'image_url':
      return [decodeImage(part)];
    case 'file':
      return [decodeFile(part, path)];
    case 'input_audio': {
      const audio = asFields(part.input_audio) ?? {};
      const source = { kind: 'base64', mediaType: `audio/${asString(audio.format) ?? 'wav'}`, data: asString(audio.data) ?? '' } as const;
      return [{ type: 'audio', source } satisfies AudioPart];
    }
    case 'refusal':
      return [{ type: 'refusal', text: asString(part.refusal) ?? '' }];
    case 'thinking':
      // Mistral's reasoning: a list of texts inside the content.
      return [{ type: 'reasoning', text: objectsOf(part.thinking).map((item) => asString(item.text) ?? '').join(''), seal: { origin: 'openai-chat', data: '' } }];
    default:
      throw drops.refuse('unknown-content', path);
  }
}

/** Relays in front of Anthropic take its cache marks in this dialect, too. */
function cacheOf(part: Fields): { cache?: CacheHint } {
  return asFields(part.cache_control) === undefined ? {} : { cache: {} };
}

function decodeImage(part: Fields): ImagePart {
  const image = asFields(part.image_url);
  const url = asString(part.image_url) ?? asString(image?.url) ?? '';
  const detail = asText(image?.detail);
  return detail === undefined ? { type: 'image', source: sourceOfUrl(url) } : { type: 'image', source: sourceOfUrl(url), detail };
}

function decodeFile(part: Fields, path: string): DocumentPart {
  const file = asFields(part.file) ?? {};
  const name = asText(file.filename);
  const id = asText(file.file_id);
  const data = asText(file.file_data);
  if (id === undefined && data === undefined) throw malformed(path, 'has neither file_id nor file_data');
  const source = id === undefined ? pdfUnlessTold(data ?? '') : ({ kind: 'file', id, vendor: 'openai' } as const);
  return name === undefined ? { type: 'document', source } : { type: 'document', source, name };
}

/** File data may come as bare base64; then it is a PDF, which was the first kind of file that OpenAI took. */
export function pdfUnlessTold(data: string): DocumentPart['source'] {
  return data.startsWith('data:') ? sourceOfUrl(data) : { kind: 'base64', mediaType: 'application/pdf', data };
}

/** One message of the conversation as a turn. */
export function decodeMessage(message: Fields, path: string, drops: DropLog): Turn {
  if (unreadNames(message, messageFields).length > 0) drops.add('message-fields', path);
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', parts: decodeContent(message.content, `${path}.content`, drops) };
    case 'user':
      return { role: 'user', parts: decodeContent(message.content, `${path}.content`, drops) };
    case 'assistant':
      return { role: 'assistant', parts: decodeAssistant(message, path, drops) };
    case 'tool': {
      const parts = decodeContent(message.content, `${path}.content`, drops).filter(
        (part) => part.type === 'text' || part.type === 'image' || part.type === 'document',
      );
      return { role: 'user', parts: [{ type: 'tool-result', id: asString(message.tool_call_id) ?? '', parts, failed: false }] };
    }
    case 'function':
      throw drops.refuse('functions', path);
    default:
      throw malformed(`${path}.role`, 'must be system, developer, user, assistant or tool');
  }
}

/** The parts of an assistant's message, of a conversation or of a whole answer: reasoning first, calls last. */
export function decodeAssistant(message: Fields, path: string, drops: DropLog): Part[] {
  if (message.function_call != null) throw drops.refuse('functions', path);
  if (message.audio != null) drops.add('audio-history', path);
  const parts: Part[] = [...decodeReasoning(message)];
  // Many upstreams say that they say nothing.
  const texts = message.content === '' ? [] : decodeContent(message.content, `${path}.content`, drops);
  const citations = objectsOf(message.annotations).flatMap((annotation) => {
    const citation = asFields(annotation.url_citation);
    const url = asText(citation?.url);
    return url === undefined ? [] : [{ url, title: asString(citation?.title) ?? '' }];
  });
  const first = texts.find((part): part is TextPart => part.type === 'text');
  if (first !== undefined && citations.length > 0) first.citations = citations;
  parts.push(...texts);
  const refusal = asText(message.refusal);
  if (refusal !== undefined) parts.push({ type: 'refusal', text: refusal });
  for (const call of objectsOf(message.tool_calls)) parts.push(...decodeCall(call));
  return parts;
}

function decodeCall(call: Fields): Part[] {
  const signature = asText(asFields(asFields(call.extra_content)?.google)?.thought_signature);
  const parts: Part[] = signature === undefined ? [] : [{ type: 'reasoning', text: '', seal: readSeal('gemini', signature) }];
  const custom = asFields(call.custom);
  const definition = custom ?? asFields(call.function) ?? {};
  const given = custom === undefined ? definition.arguments : definition.input;
  const part: ToolCallPart = {
    type: 'tool-call',
    id: asString(call.id) ?? '',
    name: asString(definition.name) ?? '',
    input: typeof given === 'string' ? given : JSON.stringify(given ?? {}),
  };
  if (custom !== undefined) part.custom = true;
  parts.push(part);
  return parts;
}

/**
 * Reasoning as vendors put it beside the content. The seals that this hub wrote stand in `reasoning_details`, each with the
 * length of its text, since the text itself is one piece.
 */
function decodeReasoning(message: Fields): ReasoningPart[] {
  const text = asString(message.reasoning_content) ?? asString(message.reasoning) ?? '';
  const parts: ReasoningPart[] = [];
  let position = 0;
  for (const detail of objectsOf(message.reasoning_details)) {
    const data = asText(detail.data);
    if (detail.type !== 'reasoning.encrypted' || data === undefined) continue;
    const end = position + (asNumber(detail.length) ?? text.length);
    parts.push({ type: 'reasoning', text: text.slice(position, end), seal: readSeal('openai-chat', data) });
    position = end;
  }
  if (parts.length === 0 && text !== '') parts.push({ type: 'reasoning', text, seal: { origin: 'openai-chat', data: '' } });
  return parts;
}

/** Texts of a list of parts as one; the parts that are no text are left out. */
export function joinTexts(parts: readonly Part[], separator: string): string {
  return parts.flatMap((part) => (part.type === 'text' || part.type === 'refusal' ? [part.text] : [])).join(separator);
}
