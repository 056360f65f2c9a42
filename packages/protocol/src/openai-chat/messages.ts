import type { DocumentPart, ImagePart, MediaSource, Part, ToolCallPart, ToolResultPart, Turn } from '../chat.ts';
import type { DropLog } from '../drops.ts';
import type { Fields } from '../json.ts';
import { base64Text, dataUrl, inlineDocument } from '../media.ts';
import { shortId } from '../openai.ts';
import type { EncodeContext } from '../protocol.ts';
import { openAiTraits } from '../traits.ts';
import { asReminders, ownReasoning } from '../turns.ts';
import { joinTexts } from './blocks.ts';

/** Longest id of a tool call, characters. */
const maxIdLength = 40;

/** The turns as messages. Templates of other vendors' models take a system message only at the start. */
export function encodeTurns(turns: readonly Turn[], context: EncodeContext): Fields[] {
  const { official } = openAiTraits(context.targetModel);
  return (official ? turns : asReminders(turns, context.drops)).flatMap((turn) => {
    if (turn.role === 'assistant') return encodeAssistant(turn.parts, context);
    return turn.role === 'user' ? encodeUser(turn.parts, context) : [{ role: 'system', content: joinTexts(turn.parts, '\n\n') }];
  });
}

/** Results first, one message each; what they cannot hold follows with the user's own words. */
function encodeUser(parts: readonly Part[], context: EncodeContext): Fields[] {
  const messages: Fields[] = [];
  const rest: Part[] = [];
  for (const part of parts) {
    if (part.type === 'tool-result') {
      const { message, media } = encodeToolResult(part, context.drops);
      messages.push(message);
      rest.push(...media);
    } else rest.push(part);
  }
  const content = rest.flatMap((part) => encodePart(part, context.drops));
  const only = content.length === 1 && content[0]?.type === 'text' ? content[0].text : undefined;
  if (content.length > 0) messages.push({ role: 'user', content: only ?? content });
  return messages;
}

function encodeToolResult(part: ToolResultPart, drops: DropLog): { message: Fields; media: Part[] } {
  const texts: string[] = [];
  const media: Part[] = [];
  for (const inner of part.parts) {
    const text = inner.type === 'text' ? inner.text : inner.type === 'document' ? documentText(inner) : undefined;
    if (text !== undefined) texts.push(text);
    else {
      drops.add('tool-result-media', `tool call ${part.id}`);
      media.push({ type: 'text', text: `[From the result of tool call ${part.id}:]` }, inner);
      texts.push('[The content follows in the next user message.]');
    }
  }
  let content = texts.join('\n\n');
  if (part.failed) {
    drops.add('tool-result-error', `tool call ${part.id}`);
    if (!/^error\b/i.test(content)) content = `Error: ${content}`;
  }
  return { message: { role: 'tool', tool_call_id: shortId(part.id, maxIdLength), content }, media };
}

function encodePart(part: Part, drops: DropLog): Fields[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text }];
    case 'image': {
      const url = imageUrl(part.source, drops);
      return [{ type: 'image_url', image_url: part.detail === undefined ? { url } : { url, detail: part.detail } }];
    }
    case 'document':
      return [encodeDocument(part, drops)];
    case 'audio': {
      if (part.source.kind !== 'base64') throw drops.refuse('audio-file', 'messages');
      const format = part.source.mediaType.replace(/^audio\/(x-)?/, '').replace('mpeg', 'mp3');
      return [{ type: 'input_audio', input_audio: { data: part.source.data, format } }];
    }
    case 'refusal':
      return [{ type: 'text', text: part.text }];
    case 'reasoning':
    case 'search':
    case 'tool-call':
    case 'tool-result':
      return [];
  }
}

/** A source as the one URL that OpenAI's dialects take. */
export function imageUrl(source: MediaSource, drops: DropLog): string {
  if (source.kind === 'base64') return dataUrl(source);
  if (source.kind === 'url' && !source.url.startsWith('gs:')) return source.url;
  throw drops.refuse('image-file', 'messages');
}

/** A document that is text, as a text; undefined for any other. */
export function documentText(part: DocumentPart): string | undefined {
  const { source } = part;
  const text = source.kind === 'text' ? source.text : source.kind === 'base64' ? base64Text(source) : undefined;
  return text === undefined ? undefined : inlineDocument(part, text);
}

function encodeDocument(part: DocumentPart, drops: DropLog): Fields {
  const text = documentText(part);
  if (text !== undefined) {
    drops.add('document-text', 'messages');
    return { type: 'text', text };
  }
  const { source } = part;
  if (source.kind === 'file' && source.vendor === 'openai') return { type: 'file', file: { file_id: source.id } };
  if (source.kind === 'base64') {
    return { type: 'file', file: { filename: part.name ?? 'document.pdf', file_data: dataUrl(source) } };
  }
  throw drops.refuse(source.kind === 'url' ? 'document-url' : 'document-file', 'messages');
}

function encodeAssistant(parts: readonly Part[], context: EncodeContext): Fields[] {
  const { drops } = context;
  const calls = parts.filter((part): part is ToolCallPart => part.type === 'tool-call');
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n');
  const refusal = parts.flatMap((part) => (part.type === 'refusal' ? [part.text] : [])).join('\n\n');
  const message: Fields = { role: 'assistant', content: text === '' ? null : text };
  if (parts.some((part) => part.type === 'text' && part.citations !== undefined)) drops.add('citations', 'messages');
  if (parts.some((part) => part.type === 'search')) drops.add('search-history', 'messages');
  if (parts.some((part): part is ImagePart => part.type === 'image')) drops.add('image-history', 'messages');
  if (refusal !== '') message.refusal = refusal;
  const reasoning = encodeReasoning(parts, context);
  // Wanted beside calls (Kimi, DeepSeek), refused or ignored elsewhere.
  if (reasoning !== '' && calls.length > 0) message.reasoning_content = reasoning;
  if (calls.length > 0) message.tool_calls = calls.map((call) => encodeCall(call, context));
  return text === '' && refusal === '' && calls.length === 0 ? [] : [message];
}

function encodeReasoning(parts: readonly Part[], context: EncodeContext): string {
  return parts
    .flatMap((part) => {
      const own = part.type === 'reasoning' ? ownReasoning(part, context) : undefined;
      return own === undefined ? [] : [own.text];
    })
    .join('');
}

function encodeCall(call: ToolCallPart, context: EncodeContext): Fields {
  const name = context.names.wire(call.name, call.namespace, call.custom === true);
  const given = call.custom === true ? JSON.stringify({ input: call.input }) : call.input;
  return {
    id: shortId(call.id, maxIdLength),
    type: 'function',
    function: { name, arguments: given.trim() === '' ? '{}' : given },
  };
}
