import type { Effort } from './chat.ts';

/**
 * What models are known to accept, by name. Vendors refuse whole requests over one parameter that a model does not take,
 * and nothing in the wire formats tells; so this is data, from the vendors' documentation as of autumn 2026. A name that
 * fits no row gets what most relays accept.
 */

export interface AnthropicTraits {
  /** `budget`: only `enabled` with a budget. `adaptive`: the model also decides by itself. */
  thinking: 'none' | 'budget' | 'adaptive';
  /** `one`: temperature or top_p, not both. */
  sampling: 'both' | 'one' | 'none';
  /** What `output_config.effort` may say; empty where it is not known. */
  efforts: readonly Effort[];
  /** Knows `output_config.format` and strict tools. */
  structured: boolean;
  /** `max_tokens` when the client gave none; v0.3.42 used 32,000 throughout, which older models refuse. */
  defaultMaxTokens: number;
}

export function anthropicTraits(model: string): AnthropicTraits {
  const version = claudeVersion(model);
  const plain = { sampling: 'both', efforts: [], structured: false } as const;
  // Another vendor's model behind Anthropic's dialect.
  if (version === undefined) return { ...plain, thinking: 'budget', defaultMaxTokens: 32_000 };
  if (version < 3.5) return { ...plain, thinking: 'none', defaultMaxTokens: 4096 };
  if (version < 3.7) return { ...plain, thinking: 'none', defaultMaxTokens: 8192 };
  return {
    efforts: version < 4.06 ? [] : version > 4.06 ? ['low', 'medium', 'high', 'xhigh', 'max'] : ['low', 'medium', 'high', 'max'],
    thinking: version >= 4.06 ? 'adaptive' : 'budget',
    sampling: version > 4.06 ? 'none' : version >= 4.01 ? 'one' : 'both',
    structured: version >= 4.01,
    defaultMaxTokens: 32_000,
  };
}

/**
 * From 4 on major + minor / 100 (4.06 is 4.6), before that as written (3.5); undefined if it is no Claude. A name without
 * a version is an alias of the newest.
 */
function claudeVersion(model: string): number | undefined {
  if (!model.includes('claude')) return undefined;
  const old = /claude-(?:instant-)?([1-3])(?:[-.](\d)(?!\d))?(?:-|$|@|:|\.)/.exec(model);
  if (old) return Number(old[1]) + Number(old[2] ?? 0) / 10;
  const named = /claude-[a-z]+-(\d+)(?:[-.](\d{1,2})(?!\d))?/.exec(model);
  return named ? Number(named[1]) + Number(named[2] ?? 0) / 100 : 99;
}

export interface OpenAiTraits {
  /** One of OpenAI's own models, which refuse every parameter that they do not know. */
  official: boolean;
  reasoning: boolean;
  /** Empty: takes no effort at all. */
  efforts: readonly Effort[];
  /** Takes temperature and top_p. */
  sampling: boolean;
  stop: boolean;
  /** Searches the web in Chat Completions. */
  search: boolean;
}

export function openAiTraits(model: string): OpenAiTraits {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  const official = /^(gpt-|chatgpt-|o\d|codex-)/.test(name) && !name.startsWith('gpt-oss');
  const reasoning = official && /^(o\d|gpt-([5-9]|\d\d)|codex-)/.test(name) && !/-chat\b|-search/.test(name);
  const efforts = !official ? commonEfforts : reasoning ? reasoningEfforts(name) : [];
  return { official, reasoning, efforts, sampling: !reasoning, stop: !reasoning, search: /-search/.test(name) };
}

const commonEfforts: readonly Effort[] = ['low', 'medium', 'high'];

function reasoningEfforts(name: string): readonly Effort[] {
  const match = /^gpt-(\d+)(?:\.(\d+))?/.exec(name);
  const version = match ? Number(match[1]) + Number(match[2] ?? 0) / 100 : 0;
  if (version >= 5.02) return ['none', 'low', 'medium', 'high', 'xhigh'];
  if (version >= 5.01) return name.includes('codex-max') ? ['none', 'low', 'medium', 'high', 'xhigh'] : ['none', 'low', 'medium', 'high'];
  if (version >= 5) return name.includes('codex') ? commonEfforts : ['minimal', 'low', 'medium', 'high'];
  return commonEfforts;
}

export interface GeminiTraits {
  /** `budget`: tokens, generation 2.5. `level`: words, from generation 3 on. */
  thinking: 'none' | 'budget' | 'level';
  /** Tokens; `off` tells whether 0 is allowed as well. */
  budget: { least: number; most: number; off: boolean };
  levels: readonly Effort[];
  /** From generation 3 on: images inside function results, search beside functions, signatures demanded on calls. */
  third: boolean;
}

export function geminiTraits(model: string): GeminiTraits {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  const pro = name.includes('pro');
  const lite = name.includes('lite');
  const budget = pro
    ? { least: 128, most: 32_768, off: false }
    : { least: lite ? 512 : 1, most: 24_576, off: true };
  const match = /gemini-(\d+)(?:\.(\d+))?/.exec(name);
  const version = match ? Number(match[1]) + Number(match[2] ?? 0) / 10 : /gemini-.*latest/.test(name) ? 99 : 0;
  const levels: readonly Effort[] = !pro
    ? ['minimal', 'low', 'medium', 'high']
    : version >= 3.1
      ? ['low', 'medium', 'high']
      : ['low', 'high'];
  const thinking = version >= 3 ? 'level' : version >= 2.5 ? 'budget' : 'none';
  return { thinking, budget, levels, third: version >= 3 };
}

const efforts: readonly Effort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/** The effort as a name of ours; undefined for a word that is none. */
export function effortOf(value: unknown): Effort | undefined {
  return efforts.find((effort) => effort === value);
}

/** The least of `supported` that is not below `wanted`, else the greatest; undefined if nothing is supported. */
export function nearestEffort(wanted: Effort, supported: readonly Effort[]): Effort | undefined {
  const rank = efforts.indexOf(wanted);
  return supported.find((effort) => efforts.indexOf(effort) >= rank) ?? supported.at(-1);
}

/** Tokens of thinking for an effort; up to `high` v0.3.42's figures. */
const budgets: Record<Effort, number> = {
  none: 0,
  minimal: 1024,
  low: 4096,
  medium: 8192,
  high: 24_576,
  // Leaves room for the answer below the 32,000 that every thinking Claude can write.
  xhigh: 30_000,
  max: 30_000,
};

export function budgetOfEffort(effort: Effort): number {
  return budgets[effort];
}

/** The effort that fits a budget; the borders lie between the figures above. */
export function effortOfBudget(budget: number): Effort {
  if (budget <= 0) return 'none';
  if (budget <= 4096) return 'low';
  return budget <= 16_384 ? 'medium' : 'high';
}
