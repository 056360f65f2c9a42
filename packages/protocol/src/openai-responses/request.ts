import type { ChatRequest, OutputFormat, Part, Reasoning, ToolResultPart, Turn } from '../chat.ts';
import { emptyRequest } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asNumber, asString, put, textsOf, unread, unreadNames } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { joinTexts } from '../openai-chat/blocks.ts';
import { documentText, imageUrl } from '../openai-chat/messages.ts';
import { decodeJsonSchema } from '../openai-chat/request.ts';
import { encodeEffort, encodeExtra, encodeJsonSchema, encodeSampling, shortId } from '../openai.ts';
import type { DecodeContext, EncodeContext } from '../protocol.ts';
import { dataUrl } from '../media.ts';
import { effortOf, openAiTraits } from '../traits.ts';
import { ownReasoning, withLeadingUser } from '../turns.ts';
import { decodeItem } from './blocks.ts';
import { decodeChoice, decodeTools, encodeTools } from './tools.ts';
import { requestFields } from './types.ts';

/** Longest `call_id`, characters. */
const maxIdLength = 64;
/** Longest `prompt_cache_key`, characters. */
const maxKeyLength = 64;
/** The least that OpenAI takes for `max_output_tokens`. */
const leastOutput = 16;

const reasoningFields: ReadonlySet<string> = new Set(['effort', 'summary', 'generate_summary']);
const textFields: ReadonlySet<string> = new Set(['format', 'verbosity']);

export function decodeRequest(body: unknown, context: DecodeContext): ChatRequest {
  const fields = asFields(body);
  if (fields === undefined) throw malformed('', 'the body must be a JSON object');
  const { drops } = context;
  for (const name of ['previous_response_id', 'conversation', 'prompt']) {
    if (fields[name] != null) throw drops.refuse('stored-state', name);
  }
  if (fields.background === true) throw drops.refuse('stored-state', 'background');
  const request = emptyRequest(asString(fields.model) ?? '');
  request.streaming = context.streaming ?? fields.stream === true;
  const instructions = asText(fields.instructions);
  if (instructions !== undefined) request.system.push({ type: 'text', text: instructions });
  decodeInput(fields.input, request, drops);
  decodeTools(fields.tools, 'tools', request, drops);
  request.toolChoice = decodeChoice(fields.tool_choice, drops);
  request.parallelTools = asBoolean(fields.parallel_tool_calls);
  request.maxTokens = asNumber(fields.max_output_tokens);
  request.temperature = asNumber(fields.temperature);
  request.topP = asNumber(fields.top_p);
  request.reasoning = decodeReasoning(asFields(fields.reasoning), drops);
  decodeText(asFields(fields.text) ?? {}, request, drops);
  request.user = asText(fields.user);
  request.cacheKey = asText(fields.prompt_cache_key);
  request.cached = request.cacheKey !== undefined;
  request.serviceTier = asText(fields.service_tier);
  if (fields.store === true) drops.add('store', 'store');
  if (textsOf(fields.include).some((name) => name !== 'reasoning.encrypted_content' && !name.startsWith('web_search_call.'))) drops.add('include', 'include');
  request.extra = unread(fields, requestFields);
  return request;
}

function decodeInput(input: unknown, request: ChatRequest, drops: DropLog): void {
  if (typeof input === 'string') {
    request.turns.push({ role: 'user', parts: [{ type: 'text', text: input }] });
    return;
  }
  if (!Array.isArray(input)) throw malformed('input', 'must be a text or a list of items');
  for (const [index, value] of input.entries()) {
    const item = asFields(value);
    const path = `input[${index}]`;
    if (item === undefined) throw malformed(path, 'must be an object');
    if (item.type === 'additional_tools' || item.type === 'tool_search_output') {
      decodeTools(item.tools, `${path}.tools`, request, drops);
      continue;
    }
    const turn = decodeItem(item, path, drops);
    if (turn === undefined) continue;
    if (turn.role === 'system' && request.turns.length === 0) {
      for (const part of turn.parts) if (part.type === 'text' && part.text !== '') request.system.push(part);
    } else request.turns.push(turn);
  }
}

function decodeReasoning(fields: Fields | undefined, drops: DropLog): Reasoning | undefined {
  if (fields === undefined) return undefined;
  for (const name of unreadNames(fields, reasoningFields)) drops.add('unknown-field', `reasoning.${name}`);
  const effort = effortOf(fields.effort);
  const visible = fields.summary != null || fields.generate_summary != null;
  if (effort === 'none') return { mode: 'off' };
  return effort === undefined ? { mode: 'adaptive', visible } : { mode: 'on', effort, visible };
}

function decodeText(text: Fields, request: ChatRequest, drops: DropLog): void {
  for (const name of unreadNames(text, textFields)) drops.add('unknown-field', `text.${name}`);
  request.verbosity = asText(text.verbosity);
  request.output = decodeFormat(asFields(text.format));
}

function decodeFormat(format: Fields | undefined): OutputFormat | undefined {
  if (format?.type === 'json_object') return { type: 'json' };
  return format?.type === 'json_schema' ? decodeJsonSchema(format) : undefined;
}

export function encodeRequest(request: ChatRequest, context: EncodeContext): Fields {
  const { drops } = context;
  const body: Fields = { model: context.targetModel };
  // An answer may be asked for by an assistant's words alone, but not by instructions alone.
  const { system, turns } = request.turns.length === 0 ? withLeadingUser(request, drops) : request;
  const instructions = joinTexts(system, '\n\n');
  if (instructions !== '') body.instructions = instructions;
  body.input = turns.flatMap((turn) => encodeTurn(turn, context));
  encodeTools(request, body, context);
  if (request.maxTokens !== undefined) {
    if (request.maxTokens < leastOutput) drops.add('max-tokens-least', 'max_output_tokens');
    body.max_output_tokens = Math.max(request.maxTokens, leastOutput);
  }
  encodeSampling(request, body, context);
  encodeReasoning(request, body, context);
  const text: Fields = {};
  if (request.output?.type === 'json') text.format = { type: 'json_object' };
  else if (request.output !== undefined) text.format = { type: 'json_schema', ...encodeJsonSchema(request.output, drops) };
  put(text, 'verbosity', request.verbosity);
  if (Object.keys(text).length > 0) body.text = text;
  put(body, 'user', request.user);
  if (request.cacheKey !== undefined) body.prompt_cache_key = shortId(request.cacheKey, maxKeyLength);
  else if (request.cached) drops.add('cache-hints', 'prompt_cache_key');
  encodeExtra(request, body, drops);
  reportForeign(request, drops);
  // The hub keeps no answers to refer to, and what is not stored upstream needs no deleting there.
  body.store = false;
  if (request.streaming) body.stream = true;
  return body;
}

function encodeReasoning(request: ChatRequest, body: Fields, context: EncodeContext): void {
  const { reasoning } = request;
  const effort = encodeEffort(request, context);
  const fields: Fields = {};
  put(fields, 'effort', effort);
  const { official, reasoning: thinks } = openAiTraits(context.targetModel);
  const wanted = reasoning !== undefined && reasoning.mode !== 'off' && (thinks || !official);
  if (wanted && reasoning.visible === true) fields.summary = 'auto';
  if (Object.keys(fields).length > 0) body.reasoning = fields;
  const include: string[] = [];
  // Models without reasoning refuse to be asked for it, and a client that did not ask is not prepared to get it.
  if (wanted) include.push('reasoning.encrypted_content');
  if (request.webSearch !== undefined) include.push('web_search_call.action.sources');
  if (include.length > 0) body.include = include;
}

function reportForeign(request: ChatRequest, drops: DropLog): void {
  if (request.stop.length > 0) drops.add('stop-unsupported', 'stop');
  if (request.seed !== undefined) drops.add('seed', 'seed');
  if (request.presencePenalty !== undefined || request.frequencyPenalty !== undefined) drops.add('penalties', 'presence_penalty');
}

function encodeTurn(turn: Turn, context: EncodeContext): Fields[] {
  if (turn.role === 'system') {
    const content = [{ type: 'input_text', text: joinTexts(turn.parts, '\n\n') }];
    return [{ type: 'message', role: 'developer', content }];
  }
  const items: Fields[] = [];
  let content: Fields[] = [];
  const flush = (): void => {
    if (content.length > 0) items.push({ type: 'message', role: turn.role, content });
    content = [];
  };
  for (const part of turn.parts) {
    const item = encodeItem(part, context);
    if (item !== undefined) {
      flush();
      items.push(item);
    } else content.push(...encodePart(part, turn.role, context.drops));
  }
  flush();
  return items;
}

/** The item for a part that is one by itself. */
function encodeItem(part: Part, context: EncodeContext): Fields | undefined {
  if (part.type === 'tool-call') {
    const name = context.names.wire(part.name, part.namespace, part.custom === true);
    const id = shortId(part.id, maxIdLength);
    if (part.custom === true) return { type: 'custom_tool_call', call_id: id, name, input: part.input };
    return { type: 'function_call', call_id: id, name, arguments: part.input.trim() === '' ? '{}' : part.input };
  }
  if (part.type === 'tool-result') return encodeResult(part, context.drops);
  if (part.type !== 'reasoning') return undefined;
  const own = ownReasoning(part, context);
  if (own?.seal === undefined) return undefined;
  const item: Fields = { type: 'reasoning' };
  put(item, 'id', own.seal.id);
  item.summary = own.text === '' ? [] : [{ type: 'summary_text', text: own.text }];
  item.encrypted_content = own.seal.data;
  return item;
}

function encodeResult(part: ToolResultPart, drops: DropLog): Fields {
  const content = part.parts.flatMap((inner) => encodePart(inner, 'user', drops));
  if (part.failed) {
    drops.add('tool-result-error', `tool call ${part.id}`);
    const first = content[0];
    if (first?.type !== 'input_text') content.unshift({ type: 'input_text', text: 'Error:' });
    else if (!/^error\b/i.test(asString(first.text) ?? '')) first.text = `Error: ${asString(first.text) ?? ''}`;
  }
  const only = content.length === 1 && content[0]?.type === 'input_text' ? content[0].text : undefined;
  return {
    type: part.custom === true ? 'custom_tool_call_output' : 'function_call_output',
    call_id: shortId(part.id, maxIdLength),
    output: only ?? (content.length === 0 ? '' : content),
  };
}

function encodePart(part: Part, role: string, drops: DropLog): Fields[] {
  switch (part.type) {
    case 'text':
      if (part.citations !== undefined) drops.add('citations', 'input');
      return [{ type: role === 'assistant' ? 'output_text' : 'input_text', text: part.text }];
    case 'refusal':
      return role === 'assistant' ? [{ type: 'refusal', refusal: part.text }] : [{ type: 'input_text', text: part.text }];
    case 'image':
      if (role === 'assistant') {
        drops.add('image-history', 'input');
        return [];
      }
      return [encodeImage(part, drops)];
    case 'document':
      return [encodeDocument(part, drops)];
    case 'audio':
      throw drops.refuse('audio', 'input');
    case 'search':
      drops.add('search-history', 'input');
      return [];
    case 'reasoning':
    case 'tool-call':
    case 'tool-result':
      return [];
  }
}

function encodeImage(part: Extract<Part, { type: 'image' }>, drops: DropLog): Fields {
  const { source, detail = 'auto' } = part;
  if (source.kind === 'file' && source.vendor === 'openai') return { type: 'input_image', file_id: source.id, detail };
  return { type: 'input_image', image_url: imageUrl(source, drops), detail };
}

function encodeDocument(part: Extract<Part, { type: 'document' }>, drops: DropLog): Fields {
  const text = documentText(part);
  if (text !== undefined) {
    drops.add('document-text', 'input');
    return { type: 'input_text', text };
  }
  const { source } = part;
  const named = part.name === undefined ? {} : { filename: part.name };
  if (source.kind === 'base64') return { type: 'input_file', filename: part.name ?? 'document.pdf', file_data: dataUrl(source) };
  if (source.kind === 'url') return { type: 'input_file', file_url: source.url, ...named };
  if (source.kind === 'file' && source.vendor === 'openai') return { type: 'input_file', file_id: source.id };
  throw drops.refuse('document-file', 'input');
}
