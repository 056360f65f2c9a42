import type { Provider, ProviderType, Snapshot } from '@hub/contract';
import type { Caller } from './authenticate.ts';
import { type ClientFormat, nativeTypes, targetTypes } from './routes.ts';

/** Which providers could serve a request, in which order, and why the others cannot. Pure: a stored decision can be run again. */

export interface PlanFacts {
  readonly format: ClientFormat;
  readonly model: string | undefined;
  /** The client's anthropic-beta asks for the 1M context. */
  readonly wantsContext1m: boolean;
  readonly caller: Caller;
  /** The provider that this session used last; a hint, checked like any other. */
  readonly bound: number | undefined;
  /** Whether this request may be served in another dialect than its own. */
  readonly canConvert: boolean;
}

/** What is known of a provider beyond its row. */
export interface ProviderState {
  readonly circuit: 'closed' | 'open' | 'half-open';
  /** A spending limit is used up. */
  readonly overLimit: boolean;
}

export interface Candidate {
  readonly provider: Provider;
  readonly circuit: ProviderState['circuit'];
  readonly reason: 'session_reuse' | 'initial_selection';
  readonly selectionMethod: 'session_reuse' | 'group_filtered';
}

export type FilterReason =
  | 'circuit_open'
  | 'rate_limited'
  | 'format_type_mismatch'
  | 'model_not_allowed'
  | 'context_1m_disabled'
  | 'disabled';

export interface Filtered {
  readonly id: number;
  readonly name: string;
  readonly reason: FilterReason;
}

export interface Plan {
  readonly candidates: readonly Candidate[];
  readonly filtered: readonly Filtered[];
  /** provider_chain[].decisionContext (contract C11). */
  readonly decision: DecisionContext;
}

export interface DecisionContext {
  readonly totalProviders: number;
  readonly enabledProviders: number;
  readonly targetType: ProviderType;
  readonly requestedModel: string;
  readonly groupFilterApplied: boolean;
  readonly userGroup: string;
  readonly afterGroupFilter: number;
  readonly beforeHealthCheck: number;
  readonly afterHealthCheck: number;
  readonly filteredProviders: readonly Filtered[];
  readonly priorityLevels: readonly number[];
  readonly selectedPriority: number;
  readonly candidatesAtPriority: readonly { id: number; name: string; weight: number; costMultiplier: number; probability: number }[];
}

/**
 * Contract C3.1, as one ordered list instead of a new pick after every failure: group, then format, model, 1M context,
 * health and limits filter; what is left is ordered by priority number and, within one, by weighted chance.
 *
 * @param stateOf what is known of a provider now
 * @param random  numbers in [0, 1)
 */
export function planCandidates(
  facts: PlanFacts,
  snapshot: Snapshot,
  stateOf: (provider: Provider) => ProviderState,
  random: () => number,
): Plan {
  const groups = facts.caller.key.groups;
  const inGroup = [...snapshot.providers.values()].filter((provider) => sharesGroup(groups, provider.groups));
  const filtered: Filtered[] = [];
  const drop = (provider: Provider, reason: FilterReason): false => {
    filtered.push({ id: provider.id, name: provider.name, reason });
    return false;
  };
  const able = inGroup.filter((provider) => {
    const reason = unsuitable(provider, facts);
    return reason === undefined || drop(provider, reason);
  });
  const states = new Map(able.map((provider) => [provider, stateOf(provider)]));
  const healthy = able.filter((provider) => {
    const state = states.get(provider);
    if (state?.circuit === 'open') return drop(provider, 'circuit_open');
    return state?.overLimit === true ? drop(provider, 'rate_limited') : true;
  });
  const ordered = orderByPriority(healthy, random);
  const bound = ordered.find((provider) => provider.id === facts.bound);
  const sequence = bound === undefined ? ordered : [bound, ...ordered.filter((provider) => provider !== bound)];
  const candidates = sequence.map((provider): Candidate => {
    const reused = provider === bound;
    return {
      provider,
      circuit: states.get(provider)?.circuit ?? 'closed',
      reason: reused ? 'session_reuse' : 'initial_selection',
      selectionMethod: reused ? 'session_reuse' : 'group_filtered',
    };
  });
  const counts = { total: inGroup.length, able: able.length };
  return { candidates, filtered, decision: describe(facts, counts, healthy, filtered) };
}

function sharesGroup(wanted: ReadonlySet<string>, offered: ReadonlySet<string>): boolean {
  if (wanted.has('*')) return true;
  for (const group of offered) if (wanted.has(group)) return true;
  return false;
}

function unsuitable(provider: Provider, facts: PlanFacts): FilterReason | undefined {
  if (!provider.enabled) return 'disabled';
  const native = nativeTypes[facts.format].includes(provider.type);
  if (!native && !servesForeign(provider, facts)) return 'format_type_mismatch';
  if (facts.model === undefined) return provider.type === 'claude' ? undefined : 'model_not_allowed';
  if (!supportsModel(provider, facts.model)) return 'model_not_allowed';
  if (facts.wantsContext1m && provider.context1m === 'disabled') return 'context_1m_disabled';
  return undefined;
}

/** A provider of another dialect takes part only if it names the model, so that nobody is converted by accident. */
function servesForeign(provider: Provider, facts: PlanFacts): boolean {
  return facts.canConvert && facts.model !== undefined && namesModel(provider, facts.model);
}

function namesModel(provider: Provider, model: string): boolean {
  return provider.allowedModels.has(model) || provider.modelRedirects.has(model);
}

/** Contract C3.1, model support. */
export function supportsModel(provider: Provider, model: string): boolean {
  const claudeProvider = provider.type === 'claude' || provider.type === 'claude-auth';
  if (!model.startsWith('claude-')) {
    if (namesModel(provider, model)) return true;
    return !claudeProvider && provider.allowedModels.size === 0;
  }
  if (claudeProvider) return provider.allowedModels.size === 0 || provider.allowedModels.has(model);
  if (provider.joinClaudePool && provider.modelRedirects.get(model)?.startsWith('claude-') === true) return true;
  return namesModel(provider, model);
}

/** Lowest priority number first; within one, drawn without putting back, each with the chance of its weight. */
function orderByPriority(providers: readonly Provider[], random: () => number): Provider[] {
  const levels = new Map<number, Provider[]>();
  for (const provider of providers) {
    const level = levels.get(provider.priority);
    if (level === undefined) levels.set(provider.priority, [provider]);
    else level.push(provider);
  }
  const priorities = [...levels.keys()].sort((left, right) => left - right);
  return priorities.flatMap((priority) => drawAll(levels.get(priority) ?? [], random));
}

function drawAll(providers: readonly Provider[], random: () => number): Provider[] {
  if (providers.length === 1) return [...providers];
  const left = [...providers];
  const drawn: Provider[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, provider) => sum + provider.weight, 0);
    let point = random() * (total === 0 ? left.length : total);
    const index = left.findIndex((provider) => (point -= total === 0 ? 1 : provider.weight) < 0);
    drawn.push(...left.splice(index < 0 ? left.length - 1 : index, 1));
  }
  return drawn;
}

function describe(
  facts: PlanFacts,
  counts: { total: number; able: number },
  healthy: readonly Provider[],
  filtered: readonly Filtered[],
): DecisionContext {
  const priorityLevels = [...new Set(healthy.map((provider) => provider.priority))].sort((left, right) => left - right);
  const selectedPriority = priorityLevels[0] ?? 0;
  const first = healthy.filter((provider) => provider.priority === selectedPriority);
  const weights = first.reduce((sum, provider) => sum + provider.weight, 0);
  return {
    totalProviders: counts.total,
    enabledProviders: counts.able,
    targetType: targetTypes[facts.format],
    requestedModel: facts.model ?? '',
    groupFilterApplied: true,
    userGroup: [...facts.caller.key.groups].join(','),
    afterGroupFilter: counts.able,
    beforeHealthCheck: counts.able,
    afterHealthCheck: healthy.length,
    filteredProviders: filtered,
    priorityLevels,
    selectedPriority,
    candidatesAtPriority: first.map((provider) => ({
      id: provider.id,
      name: provider.name,
      weight: provider.weight,
      costMultiplier: Number(provider.costMultiplier),
      probability: weights === 0 ? 100 / first.length : (provider.weight / weights) * 100,
    })),
  };
}
