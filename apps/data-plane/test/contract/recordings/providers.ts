import { create, type wire as Wire, wire } from '@hub/contract';
import type { ScriptedUpstream } from '@hub/testkit';
import { provider } from '../../boot.ts';

/**
 * The providers of the recordings by name. `p-<kind>` belong to the default group; `g-<mode>-<kind>` behave as their mode
 * says; of a pair `f-<mode>-a`, `-b` the first behaves so and the second is healthy; `pl-<limit>` and `plf-<limit>-a` have
 * spent more than a limit allows. The 60 cases have names of their own.
 */

type ProviderInit = Partial<Wire.Provider>;

/** `at`: a mode of the scripted upstream. */
type Described = ProviderInit & { readonly at?: string };

const typeOf: Readonly<Record<string, string>> = {
  claude: 'claude',
  codex: 'codex',
  openai: 'openai-compatible',
  gemini: 'gemini',
  geminicli: 'gemini-cli',
};

const limits = (init: Partial<Wire.SpendLimits>) => create(wire.SpendLimitsSchema, { dailyResetMode: 'fixed', dailyResetTime: '00:00', ...init });
/** 0.01 USD. */
const cent = 10_000_000n;

const limitOf: Readonly<Record<string, Partial<Wire.SpendLimits>>> = {
  '5h': { fiveHourNanos: cent },
  daily: { dailyNanos: cent },
  weekly: { weeklyNanos: cent },
  monthly: { monthlyNanos: cent },
  total: { totalNanos: cent },
  conc: { concurrentSessions: 1 },
};

/** Those that differ from what their name says, and those whose name says nothing. */
const special: Readonly<Record<string, Described>> = {
  'g-restricted-claude': { allowedModels: ['claude-sonnet-4-5-20250929'] },
  'g-1m': { groupTag: 'g-1m', context1mPreference: 'force_enable' },
  'g-cauth': { groupTag: 'g-cauth', providerType: 'claude-auth' },
  'g-free-claude': { costMultiplier: '0' },
  'g-mult-claude': { costMultiplier: '2.5' },
  'g-redirect-claude': { modelRedirects: { 'claude-sonnet-4-5-20250929': 'claude-opus-4-1-20250805', 'gpt-via-claude': 'claude-opus-4-1-20250805' } },
  'g-redirect-gemini': { modelRedirects: { 'gemini-2.5-pro': 'gemini-2.5-flash' } },
  'g-codexprefs': {
    groupTag: 'g-codexprefs',
    providerType: 'codex',
    codexReasoningEffort: 'high',
    codexReasoningSummary: 'detailed',
    codexTextVerbosity: 'low',
    codexParallelToolCalls: 'false',
  },
  'g-mcporigin': { groupTag: 'g-mcporigin', url: '/anthropic', mcpPassthroughType: 'glm' },
  'g-ip': { groupTag: 'g-ip', preserveClientIp: true },
  'g-ttl1h': { groupTag: 'g-ttl1h', cacheTtlPreference: '1h' },
  'g-v1url': { groupTag: 'g-v1url', url: '/v1' },
  'g-baseq': { groupTag: 'g-baseq', url: '?x=1' },
  'g-retry1': { groupTag: 'g-retry1', at: 'fail-500', maxRetryAttempts: 1 },
  'g-retry4': { groupTag: 'g-retry4', at: 'fail-500', maxRetryAttempts: 4 },
  'g-cb-claude': { at: 'fail-500', breakerFailureThreshold: 2 },
  'g-down-claude': { url: 'http://127.0.0.1:9' },
  'g-ttfb-claude': { at: 'slow', firstByteTimeoutMs: 60 },
  'f-ttfb-a': { at: 'slow', firstByteTimeoutMs: 60 },
  'f-ttfbbody-a': { at: 'slow-body', firstByteTimeoutMs: 60 },
  'models-openai': { groupTag: 'models', providerType: 'openai-compatible', allowedModels: ['gpt-4o', 'deepseek-chat'] },
  min: { apiKey: 'sk-1234567890abcdef' },
  p44: { groupTag: 'g44', allowedModels: ['CLAUDE-X'] },
  p49: { groupTag: 'g49', providerType: 'codex' },
  p50a: { groupTag: 'g50', breakerFailureThreshold: 1 },
  p50b: { groupTag: 'g50', priority: 1 },
  p51: { groupTag: 'vip51,x51' },
  p52: { groupTag: 'g52', modelRedirects: { 'claude-a': 'claude-b' } },
  p53a: { groupTag: 'g53', at: 'fail-500', breakerFailureThreshold: 5 },
  p53b: { groupTag: 'g53', priority: 1 },
  p54: { groupTag: 'g54', at: 'fail-401', breakerFailureThreshold: 5 },
  p55: { groupTag: 'g55', at: 'fail-400-9-8' },
  p56: { groupTag: 'g56', at: 'fail-500' },
  p59: { groupTag: 'g59', at: 'j59', costMultiplier: '2' },
  p60c: { providerType: 'codex' },
  p60g: { providerType: 'gemini' },
  p60o: { providerType: 'openai-compatible' },
  px3a: { groupTag: 'gx3', at: 'fail-404' },
  px3b: { groupTag: 'gx3', priority: 1 },
  px4a: { groupTag: 'gx4', at: 'slow', firstByteTimeoutMs: 60, breakerFailureThreshold: 5 },
  px4b: { groupTag: 'gx4', priority: 1 },
  px5: { groupTag: 'gx5', at: 'slow-stream' },
};

/** Groups whose mode is their own: their providers are healthy and differ by a setting. */
const healthyGroups = new Set(['g-restricted', 'g-free', 'g-mult', 'g-redirect', 'g-cauth']);

function describedBy(name: string): Described {
  const plain = /^p-(\w+)$/.exec(name);
  if (plain !== null) return { providerType: typeOf[plain[1] ?? ''] ?? '' };
  const single = /^(g-(.+))-(claude|codex|openai|gemini)$/.exec(name);
  if (single !== null) {
    const [, groupTag = '', at = '', kind = ''] = single;
    return { groupTag, providerType: typeOf[kind] ?? '', ...(healthyGroups.has(groupTag) ? {} : { at }) };
  }
  const limited = /^pl(f?)-(\w+?)(-b)?(?:-a)?$/.exec(name);
  if (limited !== null) {
    const [, pair, limit = '', second] = limited;
    return { groupTag: `pl${pair}-${limit}`, priority: second === undefined ? 0 : 1, ...(second === undefined ? { limits: limits(limitOf[limit] ?? {}) } : {}) };
  }
  const pair = /^(f-(.+))-([ab])$/.exec(name);
  if (pair === null) return {};
  const [, groupTag = '', at = '', place] = pair;
  return place === 'a' ? { groupTag, at } : { groupTag, priority: 1 };
}

/** @param id new in every case, so that no breaker and no counter of another one is met */
export function providerNamed(name: string, id: number, upstream: ScriptedUpstream, changes: Described = {}): Wire.Entity['entity'] {
  const { at, url = '', ...init } = { breakerFailureThreshold: 0, ...describedBy(name), ...special[name], ...changes };
  const base = at === undefined ? upstream.url : upstream.urlFor(at);
  const isCase = /^(min|px?\d+\w*)$/.test(name);
  return provider({ id, name, apiKey: `${isCase ? 'sk-up' : 'sk-upstream'}-${name}`, ...init, url: url.startsWith('http') ? url : base + url });
}

export { type Described, limits as spendLimits };
