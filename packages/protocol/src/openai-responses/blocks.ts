import type { Citation, DocumentPart, ImagePart, Part, ReasoningPart, SearchPart, ToolResultPart, Turn } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asString, objectsOf, textsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { sourceOfUrl } from '../media.ts';
import { pdfUnlessTold } from '../openai-chat/blocks.ts';
import { readSeal } from '../seal.ts';
import { clientItems, serverItems } from './types.ts';

/** One item of `input` or `output` as a turn; undefined for an item that says nothing to another dialect. */
export function decodeItem(item: Fields, path: string, drops: DropLog): Turn | undefined {
  const type = asText(item.type) ?? (item.role === undefined ? '' : 'message');
  switch (type) {
    case 'message':
      return decodeMessage(item, path, drops);
    case 'reasoning':
      return { role: 'assistant', parts: [decodeReasoning(item)] };
    case 'function_call':
    case 'custom_tool_call':
      return { role: 'assistant', parts: [decodeCall(item, type === 'custom_tool_call')] };
    case 'function_call_output':
    case 'custom_tool_call_output':
      return { role: 'user', parts: [decodeOutput(item, path, drops)] };
    case 'web_search_call':
      return { role: 'assistant', parts: [decodeSearch(item)] };
    case 'item_reference':
      throw drops.refuse('stored-state', path);
    case 'compaction':
    case 'compaction_summary':
    case 'compaction_trigger':
      throw drops.refuse('compaction', path);
    default:
      return decodeOther(type, path, drops);
  }
}

function decodeOther(type: string, path: string, drops: DropLog): undefined {
  if (clientItems.test(type)) throw drops.refuse('client-tool', path);
  if (!serverItems.has(type)) throw drops.refuse('unknown-content', path);
  drops.add('server-tool-history', path);
}

function decodeMessage(item: Fields, path: string, drops: DropLog): Turn {
  const { role } = item;
  const parts = decodeContent(item.content, `${path}.content`, drops);
  if (role === 'user' || role === 'assistant') return { role, parts };
  if (role === 'system' || role === 'developer') return { role: 'system', parts };
  throw malformed(`${path}.role`, 'must be user, assistant, system or developer');
}

/** A message's or tool output's content: plain text or a list of parts. */
export function decodeContent(content: unknown, path: string, drops: DropLog): Part[] {
  if (content == null) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw malformed(path, 'must be a text or a list of content parts');
  return objectsOf(content).map((part, index) => decodePart(part, `${path}[${index}]`, drops));
}

function decodePart(part: Fields, path: string, drops: DropLog): Part {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
    case 'summary_text': {
      const citations = decodeCitations(part);
      const text = asString(part.text) ?? '';
      return citations.length === 0 ? { type: 'text', text } : { type: 'text', text, citations };
    }
    case 'refusal':
      return { type: 'refusal', text: asString(part.refusal) ?? '' };
    case 'input_image':
      return decodeImage(part, path);
    case 'input_file':
      return decodeFile(part, path);
    default:
      throw drops.refuse('unknown-content', path);
  }
}

function decodeCitations(part: Fields): Citation[] {
  return objectsOf(part.annotations).flatMap((annotation) => {
    const url = annotation.type === 'url_citation' ? asText(annotation.url) : undefined;
    return url === undefined ? [] : [{ url, title: asString(annotation.title) ?? '' }];
  });
}

function decodeImage(part: Fields, path: string): ImagePart {
  const url = asText(part.image_url);
  const id = asText(part.file_id);
  if (url === undefined && id === undefined) throw malformed(path, 'has neither image_url nor file_id');
  const image: ImagePart = {
    type: 'image',
    source: url === undefined ? { kind: 'file', id: id ?? '', vendor: 'openai' } : sourceOfUrl(url),
  };
  const detail = asText(part.detail);
  if (detail !== undefined && detail !== 'auto') image.detail = detail;
  return image;
}

function decodeFile(part: Fields, path: string): DocumentPart {
  const id = asText(part.file_id);
  const url = asText(part.file_url);
  const data = asText(part.file_data);
  const name = asText(part.filename);
  const named = name === undefined ? {} : { name };
  if (data !== undefined) return { type: 'document', source: pdfUnlessTold(data), ...named };
  if (url !== undefined) return { type: 'document', source: { kind: 'url', url }, ...named };
  if (id === undefined) throw malformed(path, 'has no file_data, file_url or file_id');
  return { type: 'document', source: { kind: 'file', id, vendor: 'openai' }, ...named };
}

/** Summaries, else the raw reasoning that open models show. */
export function decodeReasoning(item: Fields): ReasoningPart {
  const summary = objectsOf(item.summary).map((part) => asString(part.text) ?? '');
  const raw = objectsOf(item.content).map((part) => asString(part.text) ?? '');
  const text = (summary.length > 0 ? summary : raw).join('\n\n');
  const encrypted = asText(item.encrypted_content);
  return {
    type: 'reasoning',
    text,
    seal: encrypted === undefined ? { origin: 'openai-responses', data: '' } : readSeal('openai-responses', encrypted, asText(item.id)),
  };
}

export function decodeCall(item: Fields, custom: boolean): Extract<Part, { type: 'tool-call' }> {
  const given = custom ? item.input : item.arguments;
  const call: Extract<Part, { type: 'tool-call' }> = {
    type: 'tool-call',
    id: asText(item.call_id) ?? asString(item.id) ?? '',
    name: asString(item.name) ?? '',
    input: typeof given === 'string' ? given : JSON.stringify(given ?? {}),
  };
  const namespace = asText(item.namespace);
  if (namespace !== undefined) call.namespace = namespace;
  if (custom) call.custom = true;
  return call;
}

function decodeOutput(item: Fields, path: string, drops: DropLog): ToolResultPart {
  const output = asFields(item.output);
  // Older versions of Codex wrap the output.
  const content = output === undefined ? item.output : (output.content ?? output.output);
  const parts = decodeContent(content, `${path}.output`, drops).filter(
    (part) => part.type === 'text' || part.type === 'image' || part.type === 'document',
  );
  return { type: 'tool-result', id: asString(item.call_id) ?? '', parts, failed: output?.success === false };
}

export function decodeSearch(item: Fields): SearchPart {
  const action = asFields(item.action) ?? {};
  const queries = textsOf(action.queries);
  const query = asText(action.query) ?? asText(action.pattern);
  if (queries.length === 0 && query !== undefined) queries.push(query);
  const results = objectsOf(action.sources).map((source) => ({ url: asString(source.url) ?? '', title: asString(source.title) ?? '' }));
  const url = asText(action.url);
  if (url !== undefined) results.push({ url, title: '' });
  const search: SearchPart = { type: 'search', queries, results };
  const id = asText(item.id);
  if (id !== undefined) search.id = id;
  return search;
}
