import type { ChatRequest, Effort, Reasoning } from '../chat.ts';
import { emptyRequest } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asNumber, asString, objectsOf, put, textsOf, unread } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import type { DecodeContext, EncodeContext } from '../protocol.ts';
import { budgetOfEffort, effortOf, effortOfBudget, geminiTraits, nearestEffort } from '../traits.ts';
import { withLeadingUser } from '../turns.ts';
import { CallLedger, decodeTurn, encodeTurns } from './blocks.ts';
import { toGeminiSchema } from './schema.ts';
import { decodeChoice, decodeTools, encodeTools, schemaOf } from './tools.ts';
import { generationFields, get, getFields, requestFields } from './types.ts';

/** The most stop sequences that Gemini takes. */
const maxStops = 5;

export function decodeRequest(body: unknown, context: DecodeContext): ChatRequest {
  const outer = asFields(body);
  if (outer === undefined) throw malformed('', 'the body must be a JSON object');
  const { drops } = context;
  const inner = asFields(outer.request);
  const fields = inner ?? outer;
  const contents = asFields(fields.contents) === undefined ? fields.contents : [fields.contents];
  if (!Array.isArray(contents)) throw malformed('contents', 'must be a list');
  if (asText(get(fields, 'cachedContent')) !== undefined) throw drops.refuse('stored-state', 'cachedContent');
  const request = emptyRequest(asString(outer.model) ?? '');
  request.wrapped = inner !== undefined;
  request.streaming = context.streaming ?? false;
  decodeSystem(get(fields, 'systemInstruction'), request, drops);
  const ledger = new CallLedger();
  for (const [index, content] of contents.entries()) {
    const turn = asFields(content);
    if (turn === undefined) throw malformed(`contents[${index}]`, 'must be an object');
    request.turns.push(decodeTurn(turn, `contents[${index}]`, ledger, drops));
  }
  decodeTools(fields.tools, request, drops);
  request.toolChoice = decodeChoice(getFields(fields, 'toolConfig'));
  const config = getFields(fields, 'generationConfig') ?? {};
  decodeGeneration(config, request, drops);
  // The envelope names Google's project and the CLI's session, which concern nobody else.
  if (inner !== undefined && Object.keys(outer).some((name) => name !== 'model' && name !== 'request')) drops.add('envelope', 'project');
  request.extra = { ...unread(fields, requestFields), ...unread(config, generationFields) };
  return request;
}

function decodeSystem(value: unknown, request: ChatRequest, drops: DropLog): void {
  const parts = typeof value === 'string' ? [{ text: value }] : objectsOf(asFields(value)?.parts ?? value);
  for (const part of parts) {
    const text = asString(part.text);
    if (text === undefined) throw drops.refuse('unknown-content', 'systemInstruction');
    if (text !== '') request.system.push({ type: 'text', text });
  }
}

function decodeGeneration(config: Fields, request: ChatRequest, drops: DropLog): void {
  if ((asNumber(get(config, 'candidateCount')) ?? 1) > 1) throw drops.refuse('several-answers', 'generationConfig.candidateCount');
  if (textsOf(get(config, 'responseModalities')).some((modality) => modality.toUpperCase() !== 'TEXT')) {
    throw drops.refuse('media-output', 'generationConfig.responseModalities');
  }
  request.temperature = asNumber(config.temperature);
  request.topP = asNumber(get(config, 'topP'));
  request.topK = asNumber(get(config, 'topK'));
  request.maxTokens = asNumber(get(config, 'maxOutputTokens'));
  request.stop = textsOf(get(config, 'stopSequences'));
  request.seed = asNumber(config.seed);
  request.presencePenalty = asNumber(get(config, 'presencePenalty'));
  request.frequencyPenalty = asNumber(get(config, 'frequencyPenalty'));
  request.reasoning = decodeReasoning(getFields(config, 'thinkingConfig'));
  const schema = schemaOf(get(config, 'responseJsonSchema')) ?? schemaOf(get(config, 'responseSchema'));
  if (schema !== undefined) request.output = { type: 'schema', schema };
  else if (get(config, 'responseMimeType') === 'application/json') request.output = { type: 'json' };
}

function decodeReasoning(config: Fields | undefined): Reasoning | undefined {
  if (config === undefined) return undefined;
  const budget = asNumber(get(config, 'thinkingBudget'));
  const effort = effortOf(asString(get(config, 'thinkingLevel'))?.toLowerCase());
  const visible = asBoolean(get(config, 'includeThoughts')) ?? false;
  if (budget === 0) return { mode: 'off' };
  if (effort !== undefined) return { mode: 'on', effort, visible };
  // −1: the model decides.
  return budget === undefined || budget < 0 ? { mode: 'adaptive', visible } : { mode: 'on', budget, visible };
}

export function encodeRequest(request: ChatRequest, context: EncodeContext): Fields {
  const { drops } = context;
  const { system, turns } = withLeadingUser(request, drops);
  const body: Fields = {};
  if (system.length > 0) body.systemInstruction = { parts: system.map(({ text }) => ({ text })) };
  body.contents = encodeTurns(turns, context);
  encodeTools(request, body, context);
  const config = encodeGeneration(request, context);
  if (Object.keys(config).length > 0) body.generationConfig = config;
  reportForeign(request, drops);
  return body;
}

function encodeGeneration(request: ChatRequest, context: EncodeContext): Fields {
  const { drops } = context;
  const config: Fields = {};
  if (request.temperature !== undefined) {
    if (request.temperature > 2) drops.add('temperature-range', 'temperature');
    config.temperature = Math.min(Math.max(request.temperature, 0), 2);
  }
  put(config, 'topP', request.topP);
  put(config, 'topK', request.topK);
  put(config, 'maxOutputTokens', request.maxTokens);
  if (request.stop.length > maxStops) drops.add('stop-count', 'stop');
  if (request.stop.length > 0) config.stopSequences = request.stop.slice(0, maxStops);
  put(config, 'seed', request.seed);
  put(config, 'presencePenalty', request.presencePenalty);
  put(config, 'frequencyPenalty', request.frequencyPenalty);
  if (request.output !== undefined) {
    config.responseMimeType = 'application/json';
    if (request.output.type === 'schema') put(config, 'responseSchema', toGeminiSchema(request.output.schema, drops));
  }
  put(config, 'thinkingConfig', encodeThinking(request, context));
  return config;
}

function encodeThinking(request: ChatRequest, context: EncodeContext): Fields | undefined {
  const { reasoning } = request;
  if (reasoning === undefined) return undefined;
  const { drops } = context;
  const traits = geminiTraits(context.targetModel);
  const off = reasoning.mode === 'off' || reasoning.effort === 'none';
  if (traits.thinking === 'none') {
    if (!off) drops.add('reasoning-unsupported', 'reasoning');
    return undefined;
  }
  const config: Fields = {};
  if (reasoning.visible === true && !off) config.includeThoughts = true;
  if (traits.thinking === 'level') put(config, 'thinkingLevel', levelOf(reasoning, off, traits.levels, drops));
  else put(config, 'thinkingBudget', budgetOf(reasoning, off, traits.budget, drops));
  return Object.keys(config).length > 0 ? config : undefined;
}

function levelOf(reasoning: Reasoning, off: boolean, levels: readonly Effort[], drops: DropLog): Effort | undefined {
  if (off) {
    drops.add('reasoning-always-on', 'reasoning');
    return levels[0];
  }
  if (reasoning.effort === undefined && reasoning.budget === undefined) return undefined;
  const wanted = reasoning.effort ?? effortOfBudget(reasoning.budget ?? 0);
  const chosen = nearestEffort(wanted, levels);
  if (reasoning.effort === undefined) drops.add('reasoning-budget', 'reasoning');
  else if (chosen !== wanted) drops.add('reasoning-effort', 'reasoning');
  return chosen;
}

function budgetOf(reasoning: Reasoning, off: boolean, range: { least: number; most: number; off: boolean }, drops: DropLog): number | undefined {
  if (off && range.off) return 0;
  if (off) drops.add('reasoning-always-on', 'reasoning');
  if (!off && reasoning.effort === undefined && reasoning.budget === undefined) return undefined;
  const wanted = off ? 0 : (reasoning.budget ?? budgetOfEffort(reasoning.effort ?? 'medium'));
  if (!off && reasoning.budget === undefined) drops.add('reasoning-effort', 'reasoning');
  return Math.min(Math.max(wanted, range.least), range.most);
}

function reportForeign(request: ChatRequest, drops: DropLog): void {
  if (request.verbosity !== undefined) drops.add('verbosity', 'verbosity');
  if (request.user !== undefined) drops.add('user', 'user');
  if (request.cached) drops.add('cache-hints', 'cache_control');
  // `auto` and `default` are what every vendor does unasked.
  if (request.serviceTier !== undefined && !/^(auto|default)$/.test(request.serviceTier)) drops.add('service-tier', 'service_tier');
  for (const name of Object.keys(request.extra)) drops.addField(name);
}
