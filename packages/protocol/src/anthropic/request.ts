import type { ChatRequest, Reasoning, TextPart, Turn } from '../chat.ts';
import { emptyRequest } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asNumber, asString, objectsOf, put, textsOf, unread, unreadNames } from '../fields.ts';
import { asFields, asText, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import type { DecodeContext, EncodeContext } from '../protocol.ts';
import { asReminders, schemaInstruction, withLeadingUser } from '../turns.ts';
import { anthropicTraits, effortOf } from '../traits.ts';
import { decodeContent, encodePart, encodeText } from './blocks.ts';
import { closedSchema } from './schema.ts';
import { encodeSampling, encodeThinking } from './thinking.ts';
import { decodeToolChoice, decodeTools, encodeTools } from './tools.ts';
import { outputConfigFields, requestFields } from './types.ts';

/** Names Claude Code's version; differs per prompt and would spoil every prefix cache. */
const billingHeader = 'x-anthropic-billing-header:';

export function decodeRequest(body: unknown, context: DecodeContext): ChatRequest {
  const fields = asFields(body);
  if (fields === undefined) throw malformed('', 'the body must be a JSON object');
  if (!Array.isArray(fields.messages)) throw malformed('messages', 'must be a list');
  const { drops } = context;
  const request = emptyRequest(asString(fields.model) ?? '');
  request.streaming = context.streaming ?? fields.stream === true;
  decodeSystem(fields.system, request, drops);
  decodeMessages(fields.messages, request, drops);
  request.maxTokens = asNumber(fields.max_tokens);
  request.temperature = asNumber(fields.temperature);
  request.topP = asNumber(fields.top_p);
  request.topK = asNumber(fields.top_k);
  request.stop = textsOf(fields.stop_sequences);
  decodeTools(fields, request, drops);
  decodeToolChoice(fields.tool_choice, request);
  decodeOutput(fields, request, drops);
  request.cached = usesCaching(fields);
  decodeUser(asFields(fields.metadata), request, drops);
  const tier = asText(fields.service_tier);
  request.serviceTier = tier === 'standard_only' ? 'default' : tier;
  request.extra = unread(fields, requestFields);
  return request;
}

function decodeSystem(system: unknown, request: ChatRequest, drops: DropLog): void {
  if (system == null) return;
  for (const part of decodeContent(system, 'system', 'system', drops)) {
    if (part.type !== 'text') throw drops.refuse('unknown-content', 'system');
    if (part.text.startsWith(billingHeader)) drops.add('billing-header', 'system');
    else if (part.text !== '') request.system.push(part);
  }
}

function decodeMessages(messages: readonly unknown[], request: ChatRequest, drops: DropLog): void {
  for (const [index, item] of messages.entries()) {
    const path = `messages[${index}]`;
    const message = asFields(item);
    if (message === undefined) throw malformed(path, 'must be an object');
    const role = message.role;
    if (role !== 'user' && role !== 'assistant' && role !== 'system') throw malformed(`${path}.role`, 'must be user, assistant or system');
    if (message.output_config != null) drops.add('message-config', `${path}.output_config`);
    const parts = decodeContent(message.content, `${path}.content`, role, drops);
    if (role === 'system' && request.turns.length === 0) {
      request.system.push(...parts.filter((part): part is TextPart => part.type === 'text' && part.text !== ''));
    } else request.turns.push({ role, parts });
  }
}

function decodeOutput(fields: Fields, request: ChatRequest, drops: DropLog): void {
  const config = asFields(fields.output_config) ?? {};
  for (const name of unreadNames(config, outputConfigFields)) drops.addField('unknown-field', `output_config.${name}`);
  const thinking = asFields(fields.thinking);
  const effort = effortOf(config.effort);
  const reasoning: Reasoning = { mode: thinking?.type === 'disabled' ? 'off' : thinking?.type === 'enabled' ? 'on' : 'adaptive' };
  const budget = asNumber(thinking?.budget_tokens);
  if (budget !== undefined) reasoning.budget = budget;
  if (effort !== undefined) reasoning.effort = effort;
  if (thinking !== undefined && thinking.type !== 'disabled') reasoning.visible = thinking.display !== 'omitted';
  if (thinking !== undefined || effort !== undefined) request.reasoning = reasoning;
  const format = asFields(config.format) ?? asFields(fields.output_format);
  const schema = asFields(format?.schema);
  if (format?.type === 'json_schema' && schema !== undefined) request.output = { type: 'schema', schema, strict: true };
}

/** Somewhere, to whatever end: the client wants the prompt cached. */
function usesCaching(fields: Fields): boolean {
  if (asFields(fields.cache_control) !== undefined) return true;
  const marked = (blocks: unknown): boolean => objectsOf(blocks).some((block) => asFields(block.cache_control) !== undefined);
  if (marked(fields.system) || marked(fields.tools)) return true;
  return objectsOf(fields.messages).some((message) => marked(message.content));
}

/**
 * Claude Code writes device, account and session into `user_id`, as JSON or (older) as `user_…_session_…`. The session
 * becomes the cache key; the rest names a person's machine and does not leave for a foreign vendor.
 */
function decodeUser(metadata: Fields | undefined, request: ChatRequest, drops: DropLog): void {
  const userId = asText(metadata?.user_id);
  if (userId === undefined) return;
  const session = asText(asFields(parseJson(userId))?.session_id) ?? /_session_([\w-]{1,64})$/.exec(userId)?.[1];
  if (session !== undefined && request.cached) request.cacheKey = session;
  if (session === undefined && userId.length <= 64) request.user = userId;
  else drops.add('user-identity', 'metadata.user_id');
}

export function encodeRequest(request: ChatRequest, context: EncodeContext): Fields {
  const { drops } = context;
  const traits = anthropicTraits(context.targetModel);
  const body: Fields = { model: context.targetModel };
  const thinking = encodeThinking(request, context);
  body.max_tokens = thinking.maxTokens;
  const { system, turns } = withLeadingUser(request, drops);
  const blocks = system.filter((part) => part.text.trim() !== '').map(encodeText);
  const output = encodeOutput(request, traits.structured, drops);
  if (output.instruction !== undefined) blocks.push({ type: 'text', text: output.instruction });
  if (blocks.length > 0) body.system = blocks;
  body.messages = encodeTurns(turns, context);
  encodeTools(request, body, context);
  put(body, 'thinking', thinking.thinking);
  encodeSampling(request, body, thinking.thinking?.type, context);
  const config: Fields = {};
  put(config, 'effort', thinking.effort);
  put(config, 'format', output.format);
  if (Object.keys(config).length > 0) body.output_config = config;
  const stop = request.stop.filter((sequence) => sequence.trim() !== '');
  if (stop.length < request.stop.length) drops.add('stop-blank', 'stop');
  if (stop.length > 0) body.stop_sequences = stop;
  if (request.user !== undefined) body.metadata = { user_id: request.user };
  if (request.streaming) body.stream = true;
  if (request.cacheKey !== undefined && !usesCaching(body)) addBreakpoints(body);
  reportForeign(request, drops);
  return body;
}

function encodeTurns(turns: readonly Turn[], context: EncodeContext): Fields[] {
  const messages: { role: string; content: Fields[] }[] = [];
  for (const { role, parts } of asReminders(turns, context.drops)) {
    const content = parts.flatMap((part) => encodePart(part, context));
    const last = messages.at(-1);
    // A turn may vanish, so that two of one role meet.
    if (last?.role === role) last.content.push(...content);
    else if (content.length > 0) messages.push({ role, content });
  }
  trimPrefill(messages.at(-1));
  return messages;
}

/** An assistant's text at the very end is to be continued, and must not end in white space. */
function trimPrefill(message: { role: string; content: Fields[] } | undefined): void {
  const block = message?.role === 'assistant' ? message.content.at(-1) : undefined;
  if (block?.type === 'text' && typeof block.text === 'string') block.text = block.text.trimEnd();
}

function encodeOutput(request: ChatRequest, structured: boolean, drops: DropLog): { format?: Fields; instruction?: string } {
  const { output } = request;
  if (output === undefined) return {};
  if (output.type === 'schema' && structured) return { format: { type: 'json_schema', schema: closedSchema(output.schema, drops) } };
  drops.add(output.type === 'json' ? 'json-mode' : 'schema-as-text', 'response_format');
  return { instruction: schemaInstruction(output) };
}

/**
 * What a client of OpenAI asks for by a cache key, Anthropic wants as breakpoints: the end of the instructions, and the
 * ends of the newest two user turns, so that the next request finds what this one wrote.
 */
function addBreakpoints(body: Fields): void {
  const breakpoint = { cache_control: { type: 'ephemeral' } };
  const head = objectsOf(body.system).at(-1) ?? objectsOf(body.tools).at(-1);
  if (head !== undefined) Object.assign(head, breakpoint);
  const users = objectsOf(body.messages).filter((message) => message.role === 'user');
  for (const message of users.slice(-2)) {
    const block = objectsOf(message.content).at(-1);
    if (block !== undefined) Object.assign(block, breakpoint);
  }
}

function reportForeign(request: ChatRequest, drops: DropLog): void {
  // `auto` and `default` are what every vendor does unasked.
  if (request.serviceTier !== undefined && !/^(auto|default)$/.test(request.serviceTier)) drops.add('service-tier', 'service_tier');
  if (request.seed !== undefined) drops.add('seed', 'seed');
  if (request.presencePenalty !== undefined || request.frequencyPenalty !== undefined) drops.add('penalties', 'presence_penalty');
  if (request.verbosity !== undefined) drops.add('verbosity', 'verbosity');
  for (const name of Object.keys(request.extra)) drops.addField(name);
}
