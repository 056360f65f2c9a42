/** One usage object: what its fields are called in each dialect, and what they mean. */

import type { Dialect } from './dialect.ts';
import { asArray, asCount, asFields, asText } from './json.ts';
import type { Fields } from './json.ts';

/**
 * What a request consumed, tokens, in disjoint parts: `input` (fresh, neither read from nor written to a cache), `output`
 * (reasoning included), `cacheRead`, and cache writes by lifetime (`cacheWriteUnsplit`: the upstream gave no lifetime).
 * `reasoning`, `outputImage` and `outputAudio` are shares of `output`, `inputImage` and `inputAudio` of `input`; shares
 * never exceed what they are shares of.
 */
export interface Usage {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  cacheWriteUnsplit: number;
  reasoning: number;
  inputImage: number;
  outputImage: number;
  inputAudio: number;
  outputAudio: number;
}

/** All zero. */
export function emptyUsage(): Usage {
  return {
    input: 0,
    output: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteUnsplit: 0,
    reasoning: 0,
    inputImage: 0,
    outputImage: 0,
    inputAudio: 0,
    outputAudio: 0,
  };
}

/** Tokens of all disjoint parts; shares are not counted twice. */
export function usageTotal(usage: Usage): number {
  return inputTotal(usage) + usage.output;
}

/** Tokens that went in: fresh, read from a cache, written to one. */
export function inputTotal(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit;
}

/** Whose field names a usage object is written in. */
export type UsageShape = 'input-output' | 'prompt-completion' | 'counts';

/**
 * One usage object, and in whose names it is written; undefined if none of its fields is known. The dialect's own names
 * come first, another's count if the own are missing or all zero (relays often fill both, one of them with zeros).
 */
export function readUsage(dialect: Dialect, fields: Fields): { usage: Usage; shape: UsageShape } | undefined {
  let zero: { usage: Usage; shape: UsageShape } | undefined;
  for (const shape of shapeOrder[dialect]) {
    const usage = shapes[shape](fields, dialect);
    if (usage === undefined) continue;
    clampShares(usage);
    if (usageTotal(usage) > 0) return { usage, shape };
    zero ??= { usage, shape };
  }
  return zero;
}

const shapeOrder: Record<Dialect, readonly UsageShape[]> = {
  anthropic: ['input-output', 'prompt-completion', 'counts'],
  'openai-chat': ['prompt-completion', 'input-output', 'counts'],
  'openai-responses': ['input-output', 'prompt-completion', 'counts'],
  gemini: ['counts', 'prompt-completion', 'input-output'],
};

const shapes: Record<UsageShape, (fields: Fields, dialect: Dialect) => Usage | undefined> = {
  'input-output': readInputOutput,
  'prompt-completion': readPromptCompletion,
  counts: readCounts,
};

/**
 * `input_tokens` and `output_tokens`: Anthropic, where input is what no cache had a part in, and OpenAI Responses, where it
 * is everything. Which of the two is told by the dialect, or by `input_tokens_details`, which only OpenAI has.
 */
function readInputOutput(fields: Fields, dialect: Dialect): Usage | undefined {
  const input = asCount(fields.input_tokens);
  const output = asCount(fields.output_tokens);
  const named = asCount(fields.cache_read_input_tokens);
  const writes = cacheWrites(fields);
  if (input === undefined && output === undefined && named === undefined && writes.total === undefined) return undefined;
  const details = asFields(fields.input_tokens_details) ?? asFields(fields.input_token_details) ?? {};
  const outputDetails = asFields(fields.output_tokens_details) ?? asFields(fields.output_token_details) ?? {};
  const usage = emptyUsage();
  usage.cacheRead = named ?? asCount(details.cached_tokens) ?? 0;
  assignWrites(usage, writes, asCount(details.cache_write_tokens) ?? 0);
  usage.input = input ?? 0;
  // With Anthropic's name for it the cached part stands beside the input, except in Responses, where v0.3.42 takes it as
  // included; that cannot be so if it is larger.
  const included = named === undefined || (dialect === 'openai-responses' && named <= usage.input);
  if (included) usage.input = Math.max(usage.input - usage.cacheRead, 0);
  // OpenAI's written part is included as well.
  if (writes.total === undefined) usage.input = Math.max(usage.input - usage.cacheWriteUnsplit, 0);
  usage.output = output ?? 0;
  usage.reasoning = asCount(outputDetails.reasoning_tokens) ?? asCount(outputDetails.thinking_tokens) ?? 0;
  addModalities(usage, details, outputDetails);
  addCompactions(usage, fields);
  return usage;
}

/** OpenAI Chat Completions: prompt and completion are totals, caches and reasoning their shares. */
function readPromptCompletion(fields: Fields): Usage | undefined {
  const prompt = asCount(fields.prompt_tokens);
  const completion = asCount(fields.completion_tokens);
  if (prompt === undefined && completion === undefined) return undefined;
  const details = asFields(fields.prompt_tokens_details) ?? asFields(fields.input_tokens_details) ?? {};
  const outputDetails = asFields(fields.completion_tokens_details) ?? asFields(fields.output_tokens_details) ?? {};
  const usage = emptyUsage();
  usage.cacheRead = promptCacheRead(fields, details);
  assignWrites(usage, cacheWrites(fields), asCount(details.cache_write_tokens) ?? asCount(details.cached_creation_tokens) ?? 0);
  usage.reasoning = asCount(outputDetails.reasoning_tokens) ?? asCount(fields.reasoning_tokens) ?? 0;
  addModalities(usage, details, outputDetails);
  const total = asCount(fields.total_tokens);
  const cached = usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit;
  usage.input = prompt ?? 0;
  usage.output = completion ?? 0;
  const sum = usage.input + usage.output;
  // Some vendors count reasoning beside the completion; then only the total shows it.
  if (total === undefined ? usage.reasoning > usage.output : total === sum + usage.reasoning) usage.output += usage.reasoning;
  // Relays in front of Anthropic may pass its cache fields with a prompt that leaves them out.
  const beside = cached > 0 && (total === sum + cached || (fields.cache_read_input_tokens != null && cached > usage.input));
  if (!beside) usage.input = Math.max(usage.input - cached, 0);
  return usage;
}

/** OpenAI's place, then Anthropic's name, DeepSeek's and Moonshot's; the first that is not zero. */
function promptCacheRead(fields: Fields, details: Fields): number {
  const places = [details.cached_tokens, fields.cache_read_input_tokens, fields.prompt_cache_hit_tokens, fields.cached_tokens];
  for (const place of places) {
    const tokens = asCount(place);
    if (tokens) return tokens;
  }
  return 0;
}

/** Gemini: the prompt includes what came from the cache; tool results and thoughts stand beside prompt and candidates. */
function readCounts(fields: Fields): Usage | undefined {
  const prompt = asCount(fields.promptTokenCount);
  const candidates = asCount(fields.candidatesTokenCount) ?? asCount(fields.responseTokenCount);
  const thoughts = asCount(fields.thoughtsTokenCount);
  const cached = asCount(fields.cachedContentTokenCount);
  if (prompt === undefined && candidates === undefined && thoughts === undefined && cached === undefined) return undefined;
  const usage = emptyUsage();
  const toolResults = asCount(fields.toolUsePromptTokenCount) ?? 0;
  usage.cacheRead = cached ?? 0;
  usage.input = Math.max((prompt ?? 0) - usage.cacheRead, 0) + toolResults;
  usage.reasoning = thoughts ?? 0;
  usage.output = (candidates ?? 0) + usage.reasoning;
  const cachedOf = (modality: string) => modalityTokens(fields.cacheTokensDetails, modality);
  usage.inputImage = Math.max(modalityTokens(fields.promptTokensDetails, 'IMAGE') - cachedOf('IMAGE'), 0);
  usage.inputAudio = Math.max(modalityTokens(fields.promptTokensDetails, 'AUDIO') - cachedOf('AUDIO'), 0);
  const answer = fields.candidatesTokensDetails ?? fields.responseTokensDetails;
  usage.outputImage = modalityTokens(answer, 'IMAGE');
  usage.outputAudio = modalityTokens(answer, 'AUDIO');
  return usage;
}

export interface CacheWrites {
  /** Undefined: the object has no cache write field at all. */
  total: number | undefined;
  /** A lifetime is named. */
  split: boolean;
  fiveMinutes: number;
  oneHour: number;
}

export const lifetimeFields = [
  'cache_creation',
  'cache_creation_5m_input_tokens',
  'cache_creation_1h_input_tokens',
  'claude_cache_creation_5_m_tokens',
  'claude_cache_creation_1_h_tokens',
] as const;

/** Anthropic's cache writes; per lifetime the first of three spellings counts, two of which only relays use. */
export function cacheWrites(fields: Fields): CacheWrites {
  const lifetimes = asFields(fields.cache_creation) ?? {};
  const fiveMinutes =
    asCount(lifetimes.ephemeral_5m_input_tokens) ??
    asCount(fields.cache_creation_5m_input_tokens) ??
    asCount(fields.claude_cache_creation_5_m_tokens);
  const oneHour =
    asCount(lifetimes.ephemeral_1h_input_tokens) ??
    asCount(fields.cache_creation_1h_input_tokens) ??
    asCount(fields.claude_cache_creation_1_h_tokens);
  const named = asCount(fields.cache_creation_input_tokens);
  const split = fiveMinutes !== undefined || oneHour !== undefined;
  const sum = (fiveMinutes ?? 0) + (oneHour ?? 0);
  return { total: named ?? (split ? sum : undefined), split, fiveMinutes: fiveMinutes ?? 0, oneHour: oneHour ?? 0 };
}

/** `otherwise`: OpenAI's own figure, which has no such lifetimes, if Anthropic's fields are missing. */
function assignWrites(usage: Usage, writes: CacheWrites, otherwise: number): void {
  usage.cacheWrite5m = writes.fiveMinutes;
  usage.cacheWrite1h = writes.oneHour;
  usage.cacheWriteUnsplit = Math.max((writes.total ?? otherwise) - writes.fiveMinutes - writes.oneHour, 0);
}

/** Anthropic leaves what it spent on compacting the context out of its top-level figures, but bills it. */
function addCompactions(usage: Usage, fields: Fields): void {
  for (const item of asArray(fields.iterations) ?? []) {
    const iteration = asFields(item);
    if (iteration?.type !== 'compaction') continue;
    const writes = cacheWrites(iteration);
    usage.input += asCount(iteration.input_tokens) ?? 0;
    usage.output += asCount(iteration.output_tokens) ?? 0;
    usage.cacheRead += asCount(iteration.cache_read_input_tokens) ?? 0;
    usage.cacheWrite5m += writes.fiveMinutes;
    usage.cacheWrite1h += writes.oneHour;
    usage.cacheWriteUnsplit += Math.max((writes.total ?? 0) - writes.fiveMinutes - writes.oneHour, 0);
  }
}

/** OpenAI's image and audio shares. */
function addModalities(usage: Usage, input: Fields, output: Fields): void {
  usage.inputImage = asCount(input.image_tokens) ?? 0;
  usage.inputAudio = asCount(input.audio_tokens) ?? 0;
  usage.outputImage = asCount(output.image_tokens) ?? 0;
  usage.outputAudio = asCount(output.audio_tokens) ?? 0;
}

/** Tokens of one modality in Gemini's `[{modality, tokenCount}]`. */
function modalityTokens(details: unknown, modality: string): number {
  let tokens = 0;
  for (const item of asArray(details) ?? []) {
    const detail = asFields(item);
    if (asText(detail?.modality)?.toUpperCase() === modality) tokens += asCount(detail?.tokenCount) ?? 0;
  }
  return tokens;
}

/** Shares were given for whole inputs, of which a part may have come from a cache: none may exceed its whole. */
function clampShares(usage: Usage): void {
  usage.inputImage = Math.min(usage.inputImage, usage.input);
  usage.inputAudio = Math.min(usage.inputAudio, usage.input - usage.inputImage);
  usage.outputImage = Math.min(usage.outputImage, usage.output);
  usage.outputAudio = Math.min(usage.outputAudio, usage.output - usage.outputImage);
  usage.reasoning = Math.min(usage.reasoning, usage.output - usage.outputImage - usage.outputAudio);
}
