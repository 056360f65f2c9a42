import { assertNever } from '../chat.ts';
import type { CacheHint, DocumentPart, ImagePart, MediaSource, Part, SearchPart, TextPart, ToolResultPart } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asString, objectsOf } from '../fields.ts';
import { asFields, asText, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import { base64Text } from '../media.ts';
import type { EncodeContext } from '../protocol.ts';
import { readSeal, writeSeal } from '../seal.ts';
import { ownReasoning } from '../turns.ts';
import { serverBlocks } from './types.ts';

/** `cache_control` as a hint; undefined if there is none. */
export function cacheOf(fields: Fields): { cache?: CacheHint } {
  const control = asFields(fields.cache_control);
  if (control === undefined) return {};
  const ttl = asText(control.ttl);
  return { cache: ttl === undefined ? {} : { ttl } };
}

/** A `content`: plain text or a list of blocks. */
export function decodeContent(content: unknown, path: string, role: string, drops: DropLog): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw malformed(path, 'must be a text or a list of content blocks');
  return content.flatMap((block, index) => {
    const fields = asFields(block);
    const place = `${path}[${index}]`;
    if (fields === undefined) throw malformed(place, 'must be a content block');
    return decodeBlock(fields, place, role, drops);
  });
}

/** One block of a conversation, or of an answer (`role` assistant). */
export function decodeBlock(block: Fields, path: string, role: string, drops: DropLog): Part[] {
  switch (block.type) {
    case 'text':
      return [decodeText(block, role, drops)];
    case 'image':
      return [decodeImage(block, path)];
    case 'document':
      return decodeDocument(block, path, drops);
    case 'search_result':
      return [decodeSearchResult(block, path, drops)];
    case 'thinking': {
      const signature = asText(block.signature);
      const text = asString(block.thinking) ?? '';
      return [signature === undefined ? { type: 'reasoning', text } : { type: 'reasoning', text, seal: readSeal('anthropic', signature) }];
    }
    case 'redacted_thinking': {
      const seal = readSeal('anthropic', asString(block.data) ?? '');
      return [{ type: 'reasoning', text: '', seal: { ...seal, redacted: true } }];
    }
    case 'tool_use':
      return [
        {
          type: 'tool-call',
          id: asText(block.id) ?? '',
          name: asText(block.name) ?? '',
          input: JSON.stringify(asFields(block.input) ?? {}),
          ...cacheOf(block),
        },
      ];
    case 'tool_result':
      return [decodeToolResult(block, path, drops)];
    case 'tool_reference':
      drops.add('tool-reference', path);
      return [{ type: 'text', text: `The tool ${asString(block.tool_name) ?? ''} is available now.` }];
    default:
      return decodeOther(block, path, role, drops);
  }
}

function decodeOther(block: Fields, path: string, role: string, drops: DropLog): Part[] {
  if (serverBlocks.has(asString(block.type) ?? '')) drops.add('server-tool-history', path);
  else if (role === 'assistant') drops.add('unknown-answer-content', path);
  else throw drops.refuse('unknown-content', path);
  return [];
}

function decodeText(block: Fields, role: string, drops: DropLog): TextPart {
  const part: TextPart = { type: 'text', text: asString(block.text) ?? '', ...cacheOf(block) };
  const citations = objectsOf(block.citations).flatMap((citation) => {
    const url = asText(citation.url);
    if (url === undefined) return [];
    const text = asText(citation.cited_text);
    return [{ url, title: asString(citation.title) ?? '', ...(text === undefined ? {} : { text }) }];
  });
  if (citations.length > 0) part.citations = citations;
  // Other citations point into documents by position, which no other dialect can.
  else if (role === 'assistant' && objectsOf(block.citations).length > 0) drops.add('citations', 'citations');
  return part;
}

function decodeSource(source: Fields | undefined, path: string): MediaSource {
  switch (source?.type) {
    case 'base64':
      return { kind: 'base64', mediaType: asString(source.media_type) ?? '', data: asString(source.data) ?? '' };
    case 'url':
      return { kind: 'url', url: asString(source.url) ?? '' };
    case 'file':
      return { kind: 'file', id: asString(source.file_id) ?? '', vendor: 'anthropic' };
    default:
      throw malformed(`${path}.source`, 'must be of type base64, url or file');
  }
}

function decodeImage(block: Fields, path: string): ImagePart {
  return { type: 'image', source: decodeSource(asFields(block.source), path), ...cacheOf(block) };
}

function decodeDocument(block: Fields, path: string, drops: DropLog): Part[] {
  const source = asFields(block.source);
  const title = asText(block.title);
  const context = asText(block.context);
  const name = title === undefined ? {} : { name: title };
  const lead: Part[] = context === undefined ? [] : [{ type: 'text', text: context }];
  if (source?.type === 'content') return [...lead, ...decodeContent(source.content, `${path}.source.content`, 'user', drops)];
  if (source?.type === 'text') {
    const text = asString(source.data) ?? '';
    return [...lead, { type: 'document', source: { kind: 'text', text }, ...name, ...cacheOf(block) }];
  }
  return [...lead, { type: 'document', source: decodeSource(source, path), ...name, ...cacheOf(block) }];
}

function decodeSearchResult(block: Fields, path: string, drops: DropLog): TextPart {
  drops.add('search-result', path);
  const lines = [asString(block.title) ?? '', asString(block.source) ?? ''];
  for (const item of objectsOf(block.content)) lines.push(asString(item.text) ?? '');
  return { type: 'text', text: lines.filter((line) => line !== '').join('\n'), ...cacheOf(block) };
}

function decodeToolResult(block: Fields, path: string, drops: DropLog): ToolResultPart {
  const content = block.content == null ? [] : decodeContent(block.content, `${path}.content`, 'user', drops);
  const parts = content.filter((part) => part.type === 'text' || part.type === 'image' || part.type === 'document');
  return {
    type: 'tool-result',
    id: asText(block.tool_use_id) ?? '',
    parts,
    failed: asBoolean(block.is_error) ?? false,
    ...cacheOf(block),
  };
}

/** The searches of an answer's blocks, in place of the pairs of call and result blocks. */
export function decodeSearch(call: { id: string; input: unknown }, result: Fields): SearchPart {
  const query = asText(asFields(call.input)?.query);
  return {
    type: 'search',
    id: call.id,
    queries: query === undefined ? [] : [query],
    results: objectsOf(result.content).map((item) => ({ url: asString(item.url) ?? '', title: asString(item.title) ?? '' })),
  };
}

function cacheControl(part: { cache?: CacheHint }): Fields {
  if (part.cache === undefined) return {};
  const { ttl } = part.cache;
  return { cache_control: ttl === undefined ? { type: 'ephemeral' } : { type: 'ephemeral', ttl } };
}

/** A text block for `system` or `content`. */
export function encodeText(part: TextPart): Fields {
  return { type: 'text', text: part.text, ...cacheControl(part) };
}

/** The blocks for one part of a turn; none if the part cannot or must not be said. */
export function encodePart(part: Part, context: EncodeContext): Fields[] {
  const { drops } = context;
  switch (part.type) {
    case 'text':
      if (part.citations !== undefined) drops.add('citations', 'citations');
      // Blocks of white space alone are refused.
      return part.text.trim() === '' ? [] : [encodeText(part)];
    case 'image':
      return [encodeImage(part, drops)];
    case 'document':
      return [encodeDocument(part, drops)];
    case 'audio':
      throw drops.refuse('audio', 'messages');
    case 'reasoning': {
      const own = ownReasoning(part, context);
      if (own?.seal === undefined) return [];
      if (own.seal.redacted === true) return [{ type: 'redacted_thinking', data: own.seal.data }];
      return [{ type: 'thinking', thinking: own.text, signature: own.seal.data }];
    }
    case 'refusal':
      drops.add('refusal-history', 'messages');
      return part.text.trim() === '' ? [] : [{ type: 'text', text: part.text }];
    case 'tool-call': {
      const name = context.names.wire(part.name, part.namespace, part.custom === true);
      return [{ type: 'tool_use', id: callId(part.id), name, input: callInput(part, drops), ...cacheControl(part) }];
    }
    case 'tool-result':
      return [encodeToolResult(part, context)];
    case 'search':
      drops.add('search-history', 'messages');
      return [];
    default:
      return assertNever(part);
  }
}

/** Ids are limited to these characters; upstreams of other dialects also use dots and colons. */
function callId(id: string): string {
  return id.replace(/[^a-zA-Z0-9_-]/g, '_') || '_';
}

/** The input as the object that Anthropic wants. */
function callInput(part: { input: string; custom?: boolean; name: string }, drops: DropLog): Fields {
  if (part.custom === true) return { input: part.input };
  const input = part.input.trim() === '' ? {} : asFields(parseJson(part.input));
  if (input !== undefined) return input;
  drops.add('tool-arguments', `tool call ${part.name}`);
  return { arguments: part.input };
}

function encodeToolResult(part: ToolResultPart, context: EncodeContext): Fields {
  const blocks = part.parts.flatMap((inner) => encodePart(inner, context));
  const only = blocks.length === 1 && blocks[0]?.type === 'text' && blocks[0].cache_control === undefined ? blocks[0].text : undefined;
  const block: Fields = { type: 'tool_result', tool_use_id: callId(part.id), content: only ?? blocks, ...cacheControl(part) };
  if (part.failed) block.is_error = true;
  return block;
}

function encodeImage(part: ImagePart, drops: DropLog): Fields {
  if (part.detail !== undefined && part.detail !== 'auto') drops.add('image-detail', 'messages');
  return { type: 'image', source: encodeSource(part.source, 'image-file', drops), ...cacheControl(part) };
}

function encodeSource(source: MediaSource, code: 'image-file' | 'document-file', drops: DropLog): Fields {
  if (source.kind === 'base64') return { type: 'base64', media_type: source.mediaType, data: source.data };
  if (source.kind === 'url') return { type: 'url', url: source.url };
  if (source.vendor !== 'anthropic') throw drops.refuse(code, 'messages');
  return { type: 'file', file_id: source.id };
}

function encodeDocument(part: DocumentPart, drops: DropLog): Fields {
  const { source } = part;
  const title = part.name === undefined ? {} : { title: part.name };
  const text = source.kind === 'text' ? source.text : source.kind === 'base64' ? base64Text(source) : undefined;
  if (text !== undefined) {
    return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text }, ...title, ...cacheControl(part) };
  }
  if (source.kind === 'text') return {};
  if (source.kind === 'base64' && source.mediaType !== 'application/pdf') throw drops.refuse('document-type', 'messages');
  return { type: 'document', source: encodeSource(source, 'document-file', drops), ...title, ...cacheControl(part) };
}

/** The seal in the place of a thinking block's signature. */
export function signatureOf(part: { seal?: Parameters<typeof writeSeal>[1] }): string {
  return part.seal === undefined ? '' : writeSeal('anthropic', part.seal);
}
