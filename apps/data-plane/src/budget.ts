import type { Provider } from '@hub/contract';
import type { Dialect } from '@hub/protocol';
import { affordableOutput, maximumCost, type MaximumInput, priceFor } from '@hub/pricing';
import type { Admitted } from './guards/guard.ts';
import { redirected } from './model-redirect.ts';
import { isRecord, type JsonObject } from './request/json.ts';
import type { ProxyRequest } from './request/proxy-request.ts';

/** Hard budgets: the most that a request can cost is reserved before it is sent. */
export interface Budget {
  readonly hard: { readonly key: boolean; readonly user: boolean };
  /** As the request is; undefined = nothing to reserve. */
  readonly estimateNanos: bigint | undefined;
  /** With a single token of output: below that it is not worth sending. */
  readonly minimumNanos: bigint | undefined;
}

/** What a model may answer at most where the request does not say. Tokens. */
const usualMaxOutput = 128_000;
/** No vendor counts more for one picture. Tokens. */
const imageTokens = 6000;

export function budgetOf({ request, caller, snapshot }: Admitted, provider: Provider | undefined): Budget {
  const fallback = snapshot.settings.budgetEnforcement;
  const hard = {
    key: (caller.key.budgetEnforcement ?? caller.user.budgetEnforcement ?? fallback) === 'hard',
    user: (caller.user.budgetEnforcement ?? fallback) === 'hard',
  };
  const input = !hard.key && !hard.user ? undefined : maximumInput({ request, snapshot }, provider);
  if (input === undefined) return { hard, estimateNanos: undefined, minimumNanos: undefined };
  return {
    hard,
    estimateNanos: maximumCost({ ...input, maxOutputTokens: mostOfOneAnswer(request) * answersOf(request) }),
    minimumNanos: maximumCost({ ...input, maxOutputTokens: answersOf(request) }),
  };
}

/**
 * How long a provider's answer (each of several) may be so that the reservation covers it; undefined = as long as the
 * request says; 0 = not even the prompt is covered.
 */
export function outputCap(context: PricedContext, provider: Provider, grantedNanos: bigint | undefined): number | undefined {
  if (grantedNanos === undefined) return undefined;
  const input = maximumInput(context, provider);
  if (input === undefined) return undefined;
  const affordable = Math.floor(affordableOutput({ ...input, nanos: grantedNanos }) / answersOf(context.request));
  return affordable >= mostOfOneAnswer(context.request) ? undefined : affordable;
}

type PricedContext = Pick<Admitted, 'request' | 'snapshot'>;

function maximumInput({ request, snapshot }: PricedContext, provider: Provider | undefined): MaximumInput | undefined {
  if (provider === undefined) return undefined;
  const model = redirected(request.model, provider) ?? '';
  const price = priceFor(snapshot.prices, snapshot.settings.billingModelSource, request.model ?? '', model);
  if (price === undefined) return undefined;
  return { price, multiplier: provider.costMultiplier, inputTokens: mostInputTokens(request), context1m: provider.context1m !== 'disabled' };
}

/** Puts the cap where the dialect has its field. */
export function withOutputCap(body: JsonObject, dialect: Dialect, cap: number): JsonObject {
  switch (dialect) {
    case 'anthropic':
      return { ...body, max_tokens: cap };
    case 'openai-chat':
      return { ...body, ...('max_tokens' in body && { max_tokens: cap }), ...(('max_completion_tokens' in body || !('max_tokens' in body)) && { max_completion_tokens: cap }) };
    case 'openai-responses':
      return { ...body, max_output_tokens: cap };
    case 'gemini': {
      const wrapped = body['request'];
      if (isRecord(wrapped)) return { ...body, request: withOutputCap(wrapped, dialect, cap) };
      const config = body['generationConfig'];
      return { ...body, generationConfig: { ...(isRecord(config) ? config : {}), maxOutputTokens: cap } };
    }
  }
}

/** Where a dialect bounds one answer and says how many it wants. A field of another dialect bounds nothing. */
const outputFields: Readonly<Record<Dialect, { readonly most: readonly string[]; readonly answers: string | undefined }>> = {
  anthropic: { most: ['max_tokens'], answers: undefined },
  'openai-chat': { most: ['max_tokens', 'max_completion_tokens'], answers: 'n' },
  'openai-responses': { most: ['max_output_tokens'], answers: undefined },
  gemini: { most: ['maxOutputTokens'], answers: 'candidateCount' },
};

/** The request's own bound on one answer; undefined = it has none. Tokens. */
export function maxOutputOf(body: JsonObject | undefined, dialect: Dialect): number | undefined {
  const values = outputFields[dialect].most.map((field) => outputSettings(body, dialect)?.[field]).filter(isPositive);
  return values.length === 0 ? undefined : Math.max(...values);
}

function mostOfOneAnswer({ body, dialect }: ProxyRequest): number {
  return maxOutputOf(body, dialect) ?? usualMaxOutput;
}

/** How many answers are asked for at once, each as long as it may be. */
function answersOf({ body, dialect }: ProxyRequest): number {
  const count = outputSettings(body, dialect)?.[outputFields[dialect].answers ?? ''];
  return isPositive(count) ? Math.ceil(count) : 1;
}

function outputSettings(body: JsonObject | undefined, dialect: Dialect): JsonObject | undefined {
  if (dialect !== 'gemini' || body === undefined) return body;
  const wrapped = body['request'];
  const config = body['generationConfig'] ?? (isRecord(wrapped) ? wrapped['generationConfig'] : undefined);
  return isRecord(config) ? config : undefined;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}

/**
 * A bound from above, not a guess: no tokenizer in use makes more than one token of two ASCII bytes of running text or of
 * one byte of any other script; a picture counts as what the dearest vendor takes, not as its base64 text.
 */
export function mostInputTokens(request: ProxyRequest): number {
  if (request.body === undefined) return Math.ceil(request.bytes.length / 2);
  return Math.ceil(tokensIn(request.body)) + 64;
}

function tokensIn(value: unknown): number {
  if (typeof value === 'string') return tokensInText(value);
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + tokensIn(item) + 1, 0);
  if (!isRecord(value)) return 2;
  let sum = 0;
  for (const [name, item] of Object.entries(value)) sum += name.length / 2 + 2 + (isPictureData(name, item) ? imageTokens : tokensIn(item));
  return sum;
}

function tokensInText(text: string): number {
  if (text.startsWith('data:image/')) return imageTokens;
  const bytes = Buffer.byteLength(text);
  // Beyond ASCII a character has more bytes than units; those bytes are counted whole.
  const beyond = bytes - text.length;
  return text.length / 2 + beyond;
}

function isPictureData(name: string, value: unknown): boolean {
  return name === 'data' && typeof value === 'string' && value.length > 1024 && /^[A-Za-z0-9+/=\s]{64}/.test(value.slice(0, 64)) && /^(iVBOR|\/9j\/|R0lGOD|UklGR)/.test(value);
}
