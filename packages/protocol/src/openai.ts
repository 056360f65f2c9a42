import type { ChatRequest, Effort, OutputFormat, Tool } from './chat.ts';
import type { DropLog } from './drops.ts';
import { put } from './fields.ts';
import type { Fields } from './json.ts';
import type { EncodeContext } from './protocol.ts';
import { isStrictSchema, objectSchema, withItems } from './schema.ts';
import { hash } from './tool-names.ts';
import { customAsFunction } from './tools.ts';
import { effortOfBudget, nearestEffort, openAiTraits } from './traits.ts';

/** What Chat Completions and Responses have in common on the way out. */

/** The effort to ask for; undefined leaves it to the model. */
export function encodeEffort(request: ChatRequest, context: EncodeContext): Effort | undefined {
  const { reasoning } = request;
  if (reasoning === undefined) return undefined;
  const { drops, targetModel } = context;
  const { efforts } = openAiTraits(targetModel);
  const off = reasoning.mode === 'off' || reasoning.effort === 'none';
  if (efforts.length === 0) {
    if (!off) drops.add('reasoning-unsupported', 'reasoning');
    return undefined;
  }
  if (off) return leastEffort(targetModel, efforts, drops);
  if (reasoning.effort === undefined && reasoning.budget === undefined) return undefined;
  const wanted = reasoning.effort ?? effortOfBudget(reasoning.budget ?? 0);
  const chosen = nearestEffort(wanted, efforts);
  if (reasoning.effort === undefined) drops.add('reasoning-budget', 'reasoning');
  else if (chosen !== wanted) drops.add('reasoning-effort', 'reasoning');
  return chosen;
}

function leastEffort(model: string, efforts: readonly Effort[], drops: DropLog): Effort | undefined {
  const least = efforts[0];
  if (least === 'none') return least;
  drops.add('reasoning-always-on', 'reasoning');
  return openAiTraits(model).official ? least : undefined;
}

/** Temperature and top_p, as far as the model takes them; reports the rest of sampling. */
export function encodeSampling(request: ChatRequest, body: Fields, context: EncodeContext): void {
  const { drops } = context;
  if (request.topK !== undefined) drops.add('top-k', 'top_k');
  const { temperature, topP } = request;
  if (!openAiTraits(context.targetModel).sampling) {
    if ((temperature ?? 1) !== 1 || (topP ?? 1) !== 1) drops.add('sampling-unsupported', 'temperature');
    return;
  }
  if (temperature !== undefined) {
    if (temperature > 2) drops.add('temperature-range', 'temperature');
    body.temperature = Math.min(Math.max(temperature, 0), 2);
  }
  if (topP !== undefined) body.top_p = Math.min(Math.max(topP, 0), 1);
}

/** The parts of a function definition, however they are nested in the dialect. */
export function encodeFunction(tool: Tool, context: EncodeContext): { name: string; description: string | undefined; parameters: Fields; strict: boolean } {
  const name = context.names.wire(tool.name, tool.namespace, tool.custom !== undefined);
  if (tool.custom !== undefined) {
    const { description, schema } = customAsFunction(tool, context.drops);
    return { name, description, parameters: schema, strict: false };
  }
  const parameters = withItems(objectSchema(tool.schema));
  const strict = tool.strict === true && isStrictSchema(parameters);
  if (tool.strict === true && !strict) context.drops.add('strict-tools', `tool ${tool.name}`);
  return { name, description: tool.description, parameters, strict };
}

/** `json_schema` as it stands in `response_format.json_schema` and in `text.format`. */
export function encodeJsonSchema(output: Extract<OutputFormat, { type: 'schema' }>, drops: DropLog): Fields {
  const { $schema: _, ...schema } = output.schema;
  const strict = output.strict === true && isStrictSchema(schema);
  if (output.strict === true && !strict) drops.add('strict-schema', 'response_format');
  const fields: Fields = { name: (output.name ?? 'answer').replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64) };
  put(fields, 'description', output.description);
  fields.schema = schema;
  if (strict) fields.strict = true;
  return fields;
}

/** An id within OpenAI's limit (characters), the same id always becoming the same one. */
export function shortId(id: string, limit: number): string {
  return id.length <= limit ? id : `${id.slice(0, limit - 9)}_${hash(id)}`;
}

/** Fields that mean the same in both of OpenAI's dialects. */
const shared: ReadonlySet<string> = new Set(['safety_identifier', 'prompt_cache_retention', 'prompt_cache_options']);

/** What is left of the source's own fields: passed between OpenAI's dialects where both know it, else reported. */
export function encodeExtra(request: ChatRequest, body: Fields, drops: DropLog): void {
  const related = drops.from === 'openai-chat' || drops.from === 'openai-responses';
  for (const [name, value] of Object.entries(request.extra)) {
    if (related && shared.has(name)) body[name] = value;
    else drops.addField(name);
  }
  const tier = request.serviceTier;
  if (tier === undefined) return;
  if (related) body.service_tier = tier;
  // `auto` and `default` are what every vendor does unasked.
  else if (tier !== 'auto' && tier !== 'default') drops.add('service-tier', 'service_tier');
}
