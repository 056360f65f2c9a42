import { create, SubjectKind, type wire as Wire, wire } from '@hub/contract';
import type { Recording, ScriptedUpstream } from '@hub/testkit';
import { key, price, settings, user } from '../../boot.ts';
import { chainOf, groupSeenBy, keyTextOf } from './recording.ts';
import { type Described, providerNamed, spendLimits } from './providers.ts';
import { errorRules } from './error-rules.ts';

/** What the hub knew when a recording was made. */

interface Scenario {
  /** The key is not one of the hub's. */
  readonly stranger?: true;
  readonly user?: Partial<Wire.User>;
  readonly key?: Partial<Wire.Key>;
  readonly settings?: Partial<Wire.Settings>;
  /** How it matches and what it is. */
  readonly words?: readonly (readonly [matchType: string, word: string])[];
  /** Instead of those that the recorded decision names. */
  readonly providers?: readonly string[];
  /** Changes of single providers. */
  readonly changed?: Readonly<Record<string, Described>>;
  /** Who has spent 0.05 USD (or `spentNanos`) already: the user, the key, or a provider by name. */
  readonly spentBy?: string;
  readonly spentNanos?: bigint;
  /** Recordings of the same group whose requests came before with this key. */
  readonly before?: readonly string[];
  /** The same request is running, in the middle of its answer. */
  readonly running?: true;
}

const past = BigInt(Date.UTC(2025, 0, 1));
const cent = 10_000_000n;
const pair = (name: string) => [`${name}-a`, `${name}-b`];
const defaults = ['p-claude', 'p-codex', 'p-openai', 'p-gemini', 'p-geminicli'];
const limitedUser = (init: Partial<Wire.SpendLimits>): Scenario => ({ user: { limits: spendLimits(init) }, spentBy: 'user' });
const limitedKey = (init: Partial<Wire.SpendLimits>): Scenario => ({ key: { limits: spendLimits(init) }, spentBy: 'key' });
const all = { fiveHourNanos: cent, dailyNanos: cent, weeklyNanos: cent, monthlyNanos: cent, totalNanos: cent };
const sessionsOfKey = (concurrentSessions: number): Scenario => ({ key: { limits: spendLimits({ concurrentSessions }) } });

/** All that fit a case apply, later ones over earlier ones. */
const scenarios: readonly (readonly [cases: RegExp, scenario: Scenario])[] = [
  [/^proxy-auth\/(bad-key|key-deleted|user-deleted)|^proxy-models\/admin-token|^j60\/4(0|1a)$/, { stranger: true }],
  [/\/key-disabled$/, { key: { enabled: false } }],
  [/\/key-expired$/, { key: { expiresAtMs: past } }],
  [/\/user-disabled$|^j60\/41b$/, { user: { enabled: false } }],
  [/\/user-expired$|^j60\/41c$/, { user: { expiresAtMs: past } }],
  [/^proxy-guards\/client-|^j60\/43/, { user: { allowedClients: ['claude-cli'] } }],
  [/^proxy-guards\/model-(allowed|missing|not-allowed-gemini)|^proxy-models\/allowed-models-user/, { user: { allowedModels: ['claude-sonnet-4-5-20250929'] } }],
  [/^proxy-guards\/no-provider-in-group/, { key: { providerGroup: 'g-none' } }],
  [/^proxy-models\/allowed-models-openai/, { key: { providerGroup: 'models' }, providers: ['models-openai'] }],
  [/^proxy-upstream\/count_tokens-fail-404/, { key: { providerGroup: 'g-fail-404' }, providers: ['g-fail-404-claude'] }],
  [/^proxy-upstream\/count_tokens-fail-529/, { key: { providerGroup: 'g-fail-529' }, providers: ['g-fail-529-claude'] }],
  [/^proxy-(happy\/group-key-star|session\/sticky-star)/, { providers: ['g-1m', 'p-codex', 'p-gemini'] }],
  [/^proxy-guards\/sensitive-/, { words: [['contains', 'forbiddenword'], ['exact', 'exact phrase']] }],
  [/^j60\/47/, { words: [['contains', 'j60word']] }],
  [/^proxy-happy\/chat-completions-stream$/, { before: ['proxy-happy/chat-completions-stream'] }],
  [/^proxy-happy\/chat-completions-stream-usage$/, { before: ['proxy-happy/chat-completions-stream-usage'] }],
  [/^proxy-happy\/responses-path-with-messages-body/, { before: ['proxy-happy/responses'] }],
  // Limits.
  [/^proxy-limits\/rpm-2/, { user: { rpm: 2 }, before: ['proxy-limits/rpm-2-request-1', 'proxy-limits/rpm-2-request-1'] }],
  [/^proxy-limits\/rpm-2-request-1$/, { before: [] }],
  [/^proxy-limits\/cost-daily$/, limitedUser({ dailyNanos: cent })],
  [/^proxy-limits\/cost-dailyroll$/, limitedUser({ dailyNanos: cent, dailyResetMode: 'rolling' })],
  [/^proxy-limits\/cost-weekly$/, limitedUser({ weeklyNanos: cent })],
  [/^proxy-limits\/cost-monthly$/, limitedUser({ monthlyNanos: cent })],
  [/^proxy-limits\/cost-total$/, limitedUser({ totalNanos: cent })],
  [/^proxy-limits\/cost-u5h$/, limitedUser({ fiveHourNanos: cent })],
  [/^proxy-limits\/cost-k-5h$/, limitedKey({ fiveHourNanos: cent })],
  [/^proxy-limits\/cost-k-daily(-origin)?$/, limitedKey({ dailyNanos: cent })],
  [/^proxy-limits\/organic-k-daily-1800/, limitedKey({ dailyNanos: cent, dailyResetTime: '18:00' })],
  [/^proxy-limits\/cost-k-dailyroll$/, limitedKey({ dailyNanos: cent, dailyResetMode: 'rolling' })],
  [/^proxy-limits\/cost-k-weekly$/, limitedKey({ weeklyNanos: cent })],
  [/^proxy-limits\/cost-k-total/, limitedKey({ totalNanos: cent })],
  [/^proxy-limits\/cost-k-all$/, limitedKey(all)],
  [/^proxy-limits\/key-concurrent-1/, sessionsOfKey(1)],
  [/^proxy-limits\/key-concurrent-2/, { ...sessionsOfKey(2), before: ['proxy-limits/key-concurrent-2-session-1'] }],
  [/^proxy-limits\/key-concurrent-2-session-1$/, { before: [] }],
  [/^proxy-limits\/key-concurrent-2-session-(3|1-third)$/, { before: ['proxy-limits/key-concurrent-2-session-1', 'proxy-limits/key-concurrent-2-session-2'] }],
  [/^proxy-limits\/user-concurrent-1/, { user: { limits: spendLimits({ concurrentSessions: 1 }) } }],
  [/^proxy-limits\/user-concurrent-1-session-2$/, { before: ['proxy-limits/user-concurrent-1-session-1'] }],
  [/^proxy-limits\/provider-5h-single$/, { key: { providerGroup: 'pl-5h' }, providers: ['pl-5h'], spentBy: 'pl-5h' }],
  [/^proxy-limits\/provider-daily-single$/, { key: { providerGroup: 'pl-daily' }, providers: ['pl-daily'], spentBy: 'pl-daily' }],
  [/^proxy-limits\/provider-5h-failover$/, { spentBy: 'plf-5h-a' }],
  [/^proxy-limits\/provider-weekly-failover$/, { spentBy: 'plf-weekly-a' }],
  [/^proxy-limits\/provider-monthly-failover$/, { spentBy: 'plf-monthly-a' }],
  [/^proxy-limits\/provider-total-failover$/, { spentBy: 'plf-total-a' }],
  [/^proxy-limits\/provider-conc-failover-1$/, { providers: pair('plf-conc') }],
  [/^proxy-limits\/provider-conc-session-1-again$/, { before: ['proxy-limits/provider-conc-session-1'] }],
  // Sessions.
  [/^proxy-session\/binding-after-failover-2$/, { before: ['proxy-session/binding-after-failover-1'] }],
  [/^proxy-session\/same-session-3-longer$/, { before: ['proxy-session/same-session-3-longer', 'proxy-session/same-session-3-longer'] }],
  [/^proxy-session\/sticky-star-2$/, { before: ['proxy-session/sticky-star-2'] }],
  [/^proxy-session\/sticky-star-3$/, { before: ['proxy-session/sticky-star-2', 'proxy-session/sticky-star-2'] }],
  [/^proxy-session\/no-ua-no-ip-bearer-2$/, { before: ['proxy-session/no-ua-no-ip-bearer-2'] }],
  [/^proxy-session\/short-context-parallel$/, { running: true }],
  [/^proxy-upstream\/circuit-breaker-threshold-2-request-2$/, { before: ['proxy-upstream/circuit-breaker-threshold-2-request-1'] }],
  // The 60 cases.
  [/^j60\/44(a|b)$/, { user: { allowedModels: ['claude-x'] }, key: { providerGroup: 'g44' }, providers: ['p44'] }],
  [/^j60\/44c$/, { user: { allowedModels: ['claude-x'] }, providers: ['min'] }],
  [/^j60\/46a$/, { settings: { interceptWarmupRequests: true }, providers: ['min'] }],
  [/^j60\/48/, { providers: [] }],
  [/^j60\/48b$/, { settings: { verboseProviderError: true } }],
  [/^j60\/49$/, { key: { providerGroup: 'g49' }, providers: ['p49'] }],
  [/^j60\/50-(fail|after)$/, { changed: { p50a: { at: 'fail-500' } } }],
  [/^j60\/50-after$/, { before: ['j60/50-fail'] }],
  [/^j60\/51-null/, { key: { providerGroup: '' } }],
  // Two are equally likely; without weight the other one is not drawn.
  [/^j60\/51-star-[^2]$/, { providers: ['min', 'p51'], changed: { p51: { weight: 0 } } }],
  [/^j60\/51-star-2$/, { providers: ['min', 'p51'], changed: { min: { weight: 0 } } }],
  [/^j60\/56$/, { key: { providerGroup: 'g56' }, providers: ['p56'] }],
  [/^j60\/57$/, { ...limitedKey({ dailyNanos: 1_000_000_000n }), spentNanos: 1_000_000_000n }],
  [/^j60\/58/, { user: { rpm: 2 } }],
  [/^j60\/58b$/, { before: ['j60/58a'] }],
  [/^j60\/58c$/, { before: ['j60/58a', 'j60/58b'] }],
  [/^j60\/60/, { providers: ['min', 'p60c', 'p60g', 'p60o'] }],
];

export interface World {
  readonly entities: readonly Wire.Entity['entity'][];
  readonly providerNames: ReadonlyMap<number, string>;
  /** As `Warm` answers. */
  readonly spent: readonly (readonly [subject: string, nanos: bigint])[];
  readonly before: readonly string[];
  readonly running: boolean;
}

let lastId = 0;

/** Ids are new every time: no case meets what another one has left behind. */
export function worldOf(caseName: string, recording: Recording, upstream: ScriptedUpstream): World {
  const scenario = scenarioOf(caseName);
  const keyText = keyTextOf(recording.request);
  const group = groupSeenBy(keyText)?.group ?? '';
  const userId = ++lastId;
  const keyId = ++lastId;
  const providerIds = new Map(providersOf(caseName, recording, scenario).map((name) => [name, ++lastId]));
  const subjects = new Map<string, string>([['user', `${SubjectKind.USER}/${userId}`], ['key', `${SubjectKind.KEY}/${keyId}`]]);
  for (const [name, id] of providerIds) subjects.set(name, `${SubjectKind.PROVIDER}/${id}`);
  const subject = scenario.spentBy === undefined ? undefined : subjects.get(scenario.spentBy);
  const caller = [user({ id: userId, name: 'recorded', ...scenario.user }), key({ id: keyId, userId, providerGroup: group, ...scenario.key }, keyText ?? 'sk-nobody-sends-this')];
  const providers = [...providerIds].map(([name, id]) => providerNamed(name, id, upstream, scenario.changed?.[name]));
  return {
    entities: [settings({ timeZone: 'Asia/Shanghai', enableFormatConversion: true, ...scenario.settings }), ...(scenario.stranger === true ? [] : caller), ...providers, ...(scenario.words ?? []).map(wordOf), ...prices, ...errorRules()],
    providerNames: new Map([...providerIds].map(([name, id]) => [id, name])),
    spent: subject === undefined ? [] : [[subject, scenario.spentNanos ?? 5n * cent]],
    before: scenario.before ?? [],
    running: scenario.running === true,
  };
}

function wordOf([matchType, word]: readonly [string, string], index: number): Wire.Entity['entity'] {
  return { case: 'sensitiveWord', value: create(wire.SensitiveWordSchema, { id: index + 1, matchType, word }) };
}

function scenarioOf(caseName: string): Scenario {
  return Object.assign({}, ...scenarios.filter(([cases]) => cases.test(caseName)).map(([, scenario]) => scenario)) as Scenario;
}

/** Those of the case's own decision; where it names only some or there is none, those that all cases with this key saw. */
function providersOf(caseName: string, recording: Recording, scenario: Scenario): readonly string[] {
  if (scenario.providers !== undefined) return scenario.providers;
  const chain = chainOf(recording);
  const context = chain[0]?.decisionContext;
  const named = new Set([...(context?.filteredProviders ?? []), ...(context?.candidatesAtPriority ?? []), ...chain].map(({ name }) => name));
  if (context?.userGroup !== undefined && named.size === context.totalProviders) return [...named];
  const seen = groupSeenBy(keyTextOf(recording.request));
  const [first] = seen?.names ?? [];
  if (first !== undefined && /-[ab]$/.test(first)) return pair(first.slice(0, -2));
  if (seen !== undefined) return [...seen.names];
  return caseName.startsWith('j60/') ? ['min'] : defaults;
}

const anthropic = (input: number, output: number) => ({ input_cost_per_token: input, output_cost_per_token: output });
const openai = { input_cost_per_token: 1.25e-6, output_cost_per_token: 10e-6, cache_read_input_token_cost: 0.125e-6 };
const prices = [
  price('claude-sonnet-4-5-20250929', anthropic(3e-6, 15e-6)),
  price('claude-opus-4-1-20250805', anthropic(15e-6, 75e-6)),
  price('gpt-5-codex', openai),
  price('gemini-2.5-pro', openai),
  price('gemini-2.5-flash', { input_cost_per_token: 0.3e-6, output_cost_per_token: 2.5e-6, cache_read_input_token_cost: 0.03e-6 }),
  price('gpt-4o', { input_cost_per_token: 2.5e-6, output_cost_per_token: 10e-6, cache_read_input_token_cost: 1.25e-6 }),
  price('claude-a', anthropic(1e-6, 2e-6)),
  price('claude-j59', anthropic(1e-6, 2e-6)),
];

