import type { ChatRequest, OutputFormat, Reasoning } from '../chat.ts';
import { emptyRequest } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asNumber, asString, put, textsOf, unread } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { encodeEffort, encodeExtra, encodeJsonSchema, encodeSampling } from '../openai.ts';
import type { DecodeContext, EncodeContext } from '../protocol.ts';
import { effortOf, openAiTraits } from '../traits.ts';
import { decodeMessage, joinTexts } from './blocks.ts';
import { encodeTurns } from './messages.ts';
import { decodeTools, encodeTools } from './tools.ts';
import { requestFields } from './types.ts';

/** The most stop sequences that OpenAI takes. */
const maxStops = 4;

export function decodeRequest(body: unknown, context: DecodeContext): ChatRequest {
  const fields = asFields(body);
  if (fields === undefined) throw malformed('', 'the body must be a JSON object');
  if (!Array.isArray(fields.messages)) throw malformed('messages', 'must be a list');
  const { drops } = context;
  if ((asNumber(fields.n) ?? 1) > 1) throw drops.refuse('several-answers', 'n');
  if (textsOf(fields.modalities).some((modality) => modality !== 'text')) throw drops.refuse('media-output', 'modalities');
  const request = emptyRequest(asString(fields.model) ?? '');
  request.streaming = context.streaming ?? fields.stream === true;
  request.includeUsage = asFields(fields.stream_options)?.include_usage === true;
  decodeMessages(fields.messages, request, drops);
  request.maxTokens = asNumber(fields.max_completion_tokens) ?? asNumber(fields.max_tokens);
  request.temperature = asNumber(fields.temperature);
  request.topP = asNumber(fields.top_p);
  request.topK = asNumber(fields.top_k);
  request.stop = textsOf(fields.stop);
  request.seed = asNumber(fields.seed);
  request.presencePenalty = asNumber(fields.presence_penalty);
  request.frequencyPenalty = asNumber(fields.frequency_penalty);
  decodeTools(fields, request, drops);
  request.output = decodeOutput(fields.response_format);
  request.reasoning = decodeReasoning(fields);
  request.verbosity = asText(fields.verbosity);
  request.user = asText(fields.user);
  request.cacheKey = asText(fields.prompt_cache_key);
  request.cached = request.cacheKey !== undefined;
  request.serviceTier = asText(fields.service_tier);
  request.extra = unread(fields, requestFields);
  return request;
}

function decodeMessages(messages: readonly unknown[], request: ChatRequest, drops: DropLog): void {
  for (const [index, item] of messages.entries()) {
    const message = asFields(item);
    if (message === undefined) throw malformed(`messages[${index}]`, 'must be an object');
    const turn = decodeMessage(message, `messages[${index}]`, drops);
    if (turn.role === 'system' && request.turns.length === 0) {
      for (const part of turn.parts) if (part.type === 'text' && part.text !== '') request.system.push(part);
    } else request.turns.push(turn);
  }
}

function decodeOutput(value: unknown): OutputFormat | undefined {
  const format = asFields(value);
  if (format?.type === 'json_object') return { type: 'json' };
  const definition = asFields(format?.json_schema);
  return format?.type === 'json_schema' && definition !== undefined ? decodeJsonSchema(definition) : undefined;
}

/** `{name, description, schema, strict}`, nested here and flat in Responses. */
export function decodeJsonSchema(definition: Fields): OutputFormat {
  const output: OutputFormat = { type: 'schema', schema: asFields(definition.schema) ?? {} };
  const name = asText(definition.name);
  const description = asText(definition.description);
  const strict = asBoolean(definition.strict);
  if (name !== undefined) output.name = name;
  if (description !== undefined) output.description = description;
  if (strict !== undefined) output.strict = strict;
  return output;
}

/** OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, and the `thinking` switch of several Chinese vendors. */
function decodeReasoning(fields: Fields): Reasoning | undefined {
  const nested = asFields(fields.reasoning) ?? {};
  const effort = effortOf(fields.reasoning_effort) ?? effortOf(nested.effort);
  const budget = asNumber(nested.max_tokens);
  const state = asFields(fields.thinking)?.type;
  if (effort === 'none' || nested.enabled === false || state === 'disabled') return { mode: 'off' };
  if (effort === undefined && budget === undefined && nested.enabled !== true && state === undefined) return undefined;
  const reasoning: Reasoning = { mode: effort === undefined && budget === undefined ? 'adaptive' : 'on' };
  if (effort !== undefined) reasoning.effort = effort;
  if (budget !== undefined) reasoning.budget = budget;
  return reasoning;
}

export function encodeRequest(request: ChatRequest, context: EncodeContext): Fields {
  const { drops } = context;
  const traits = openAiTraits(context.targetModel);
  const messages = encodeTurns(request.turns, context);
  const system = joinTexts(request.system, '\n\n');
  if (system !== '') messages.unshift({ role: 'system', content: system });
  if (messages.length === 0) throw malformed('messages', 'must not be empty');
  const body: Fields = { model: context.targetModel, messages };
  encodeTools(request, body, context);
  // OpenAI's reasoning models refuse the old name, other vendors' servers do not know the new one.
  put(body, traits.official ? 'max_completion_tokens' : 'max_tokens', request.maxTokens);
  encodeSampling(request, body, context);
  encodeStop(request, body, context);
  put(body, 'seed', request.seed);
  put(body, 'presence_penalty', traits.sampling ? request.presencePenalty : undefined);
  put(body, 'frequency_penalty', traits.sampling ? request.frequencyPenalty : undefined);
  if (!traits.sampling && (request.presencePenalty ?? request.frequencyPenalty) !== undefined) drops.add('penalties', 'presence_penalty');
  put(body, 'reasoning_effort', encodeEffort(request, context));
  put(body, 'response_format', encodeOutput(request, drops));
  encodeVerbosity(request, body, traits.reasoning, drops);
  put(body, 'user', request.user);
  if (request.cacheKey !== undefined && traits.official) body.prompt_cache_key = request.cacheKey;
  else if (request.cached) drops.add('cache-hints', 'prompt_cache_key');
  encodeExtra(request, body, drops);
  if (request.streaming) {
    body.stream = true;
    // Always asked for, since it is what the request is charged by; shown to the client only if it asked, too.
    body.stream_options = { include_usage: true };
  }
  return body;
}

function encodeStop(request: ChatRequest, body: Fields, context: EncodeContext): void {
  if (request.stop.length === 0) return;
  const { drops } = context;
  if (!openAiTraits(context.targetModel).stop) {
    drops.add('stop-unsupported', 'stop');
    return;
  }
  if (request.stop.length > maxStops) drops.add('stop-count', 'stop');
  body.stop = request.stop.slice(0, maxStops);
}

function encodeOutput(request: ChatRequest, drops: DropLog): Fields | undefined {
  const { output } = request;
  if (output === undefined) return undefined;
  if (output.type === 'json') return { type: 'json_object' };
  return { type: 'json_schema', json_schema: encodeJsonSchema(output, drops) };
}

function encodeVerbosity(request: ChatRequest, body: Fields, known: boolean, drops: DropLog): void {
  if (request.verbosity === undefined) return;
  if (known) body.verbosity = request.verbosity;
  else drops.add('verbosity', 'verbosity');
}
