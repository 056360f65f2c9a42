import type { Provider, ProviderType, Snapshot } from '@hub/contract';
import { encodeModelList, type ModelListShape } from '@hub/protocol';
import { answerJson } from './answer.ts';
import type { Caller } from './authenticate.ts';
import { type Exchange, header } from './exchange.ts';
import type { Gateway } from './gateway.ts';
import { isRecord } from './request/json.ts';
import type { Route } from './routes.ts';
import { fetchModelList } from './upstream/model-list-request.ts';

/**
 * `GET /v1/models` and its relatives (contract C13): which models this caller can ask for, in the caller's shape. Providers
 * of the caller's own dialect say what they have; one of another dialect takes part with the models that it names.
 */

interface ListContext {
  readonly caller: Caller;
  readonly snapshot: Snapshot;
  readonly gateway: Gateway;
}

const defaultTimeoutMs = 10_000;

export async function answerModels(exchange: Exchange, route: Route & { kind: 'models' }, context: ListContext): Promise<void> {
  const shape = shapeOf(exchange);
  const asked = route.providerTypes ?? typesByOverride(exchange);
  const types = asked ?? typesByShape[shape];
  const reachable = reachableProviders(context);
  const native = reachable.filter((provider) => types.includes(provider.type));
  const foreign = asked === undefined && context.snapshot.settings.formatConversion ? reachable.filter((provider) => !types.includes(provider.type)) : [];
  const lists = await Promise.all(native.map((provider) => modelsOf(provider, context.gateway)));
  const named = [...native, ...foreign].flatMap((provider) => [...provider.modelRedirects.keys()]);
  const converted = foreign.flatMap((provider) => [...provider.allowedModels]);
  const { allowedModels } = context.caller.user;
  const ids = [...new Set([...lists.flat(), ...named, ...converted])]
    .filter((id) => allowedModels.size === 0 || allowedModels.has(id.toLowerCase()))
    .sort((left, right) => left.localeCompare(right));
  const listShape = route.providerTypes === undefined ? shape : 'openai';
  answerJson(exchange, 200, encodeModelList(listShape, ids, Math.floor(context.gateway.clock.now() / 1000)));
}

/** One path, three owners: the headers tell who asks. */
function shapeOf(exchange: Exchange): ModelListShape {
  if (header(exchange.headers, 'anthropic-version') !== undefined) return 'anthropic';
  const google = header(exchange.headers, 'x-goog-api-key') !== undefined || exchange.path.toLowerCase().startsWith('/v1beta');
  return google ? 'gemini' : 'openai';
}

const typesByShape: Readonly<Record<ModelListShape, readonly ProviderType[]>> = {
  anthropic: ['claude', 'claude-auth'],
  openai: ['codex', 'openai-compatible'],
  gemini: ['gemini', 'gemini-cli'],
};

const typesByName: Readonly<Record<string, readonly ProviderType[]>> = {
  response: ['codex'],
  responses: ['codex'],
  codex: ['codex'],
  openai: ['codex', 'openai-compatible'],
  chat: ['codex', 'openai-compatible'],
  claude: ['claude', 'claude-auth'],
  anthropic: ['claude', 'claude-auth'],
  gemini: ['gemini', 'gemini-cli'],
  'gemini-cli': ['gemini', 'gemini-cli'],
  geminicli: ['gemini', 'gemini-cli'],
};

/** v0.3.42 lets a client ask for another kind's models by query or header. */
function typesByOverride(exchange: Exchange): readonly ProviderType[] | undefined {
  const query = new URLSearchParams(exchange.search);
  const name =
    query.get('api_type') ??
    query.get('apiType') ??
    query.get('format') ??
    header(exchange.headers, 'x-openai-api-type') ??
    header(exchange.headers, 'x-cch-api-type') ??
    header(exchange.headers, 'openai-beta');
  return name === undefined ? undefined : typesByName[name.trim().toLowerCase()];
}

/** Whom the caller's groups reach and who could be asked now. */
function reachableProviders({ caller, snapshot, gateway }: ListContext): Provider[] {
  const groups = caller.key.groups;
  return [...snapshot.providers.values()].filter((provider) => {
    if (!provider.enabled || (!groups.has('*') && ![...provider.groups].some((group) => groups.has(group)))) return false;
    const state = gateway.stateOf(provider);
    return state.circuit !== 'open' && !state.overLimit;
  });
}

/** The provider's own restriction, else what its upstream says; an upstream that does not answer has no models. */
async function modelsOf(provider: Provider, gateway: Gateway): Promise<readonly string[]> {
  if (provider.allowedModels.size > 0) return [...provider.allowedModels];
  try {
    const { status, body } = await fetchModelList(provider, gateway.attemptTools, provider.timeouts.totalMs || defaultTimeoutMs);
    if (status !== 200) throw new Error(`status ${status}`);
    return idsOf(body);
  } catch (error) {
    gateway.log.warn({ provider: provider.id, reason: error instanceof Error ? error.message : String(error) }, 'the model list of a provider could not be read');
    return [];
  }
}

/** OpenAI and Anthropic: data[].id; Gemini: models[].name without its prefix. */
function idsOf(body: unknown): string[] {
  if (!isRecord(body)) return [];
  const entries = Array.isArray(body['data']) ? body['data'] : Array.isArray(body['models']) ? body['models'] : [];
  return (entries as unknown[]).flatMap((entry) => {
    if (!isRecord(entry)) return [];
    const id = entry['id'] ?? entry['name'];
    return typeof id === 'string' ? [id.replace(/^models\//, '')] : [];
  });
}
