import { parseDecimal } from './decimal.ts';

/** USD per unit (token, image, request) × 10^RATE_SCALE. */
export type Rate = bigint;

/**
 * Digits of a rate. Published prices need at most 14 (0.00000024414 per pixel, 7.5e-8 per token); the rest is room for
 * the factors 1.25 and 0.1 of the fall-back prices to stay exact.
 */
export const RATE_SCALE = 24;

/**
 * One model's prices, compiled from a price row's JSON (LiteLLM's field names). Rates that the row does not give are
 * undefined here: fall-backs are the business of `rates.ts`, because tiers depend on whether a price is real.
 */
export interface ModelPrice {
  /** chat | responses | embedding | image_generation | …; descriptive only. */
  readonly mode: string | undefined;
  readonly input: Rate | undefined;
  readonly output: Rate | undefined;
  readonly cacheRead: Rate | undefined;
  readonly cacheWrite5m: Rate | undefined;
  readonly cacheWrite1h: Rate | undefined;
  readonly inputAbove200k: Rate | undefined;
  readonly outputAbove200k: Rate | undefined;
  readonly cacheReadAbove200k: Rate | undefined;
  readonly cacheWrite5mAbove200k: Rate | undefined;
  readonly cacheWrite1hAbove200k: Rate | undefined;
  /** Shares of input and output that have a price of their own; undefined = priced as any other token. */
  readonly inputImageToken: Rate | undefined;
  readonly outputImageToken: Rate | undefined;
  readonly inputAudioToken: Rate | undefined;
  readonly outputAudioToken: Rate | undefined;
  /** Per generated image. */
  readonly outputImage: Rate | undefined;
  /** Per request, whatever its size. */
  readonly request: Rate | undefined;
}

/** A rate field: negative or unreadable is as good as absent. */
function rate(fields: Record<string, unknown>, name: string): Rate | undefined {
  const value = parseDecimal(fields[name], RATE_SCALE);
  return value === undefined || value < 0n ? undefined : value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Compiles a price row's JSON. Undefined = nothing in it can be billed (no price per token, image or request that we
 * know), which is "price unknown", not "free": a free model says 0. Never throws.
 */
export function parsePrice(json: unknown): ModelPrice | undefined {
  if (!isRecord(json)) return undefined;
  const price: ModelPrice = {
    mode: typeof json['mode'] === 'string' ? json['mode'] : undefined,
    input: rate(json, 'input_cost_per_token'),
    output: rate(json, 'output_cost_per_token'),
    cacheRead: rate(json, 'cache_read_input_token_cost'),
    cacheWrite5m: rate(json, 'cache_creation_input_token_cost'),
    cacheWrite1h: rate(json, 'cache_creation_input_token_cost_above_1hr'),
    inputAbove200k: rate(json, 'input_cost_per_token_above_200k_tokens'),
    outputAbove200k: rate(json, 'output_cost_per_token_above_200k_tokens'),
    cacheReadAbove200k: rate(json, 'cache_read_input_token_cost_above_200k_tokens'),
    cacheWrite5mAbove200k: rate(json, 'cache_creation_input_token_cost_above_200k_tokens'),
    cacheWrite1hAbove200k: rate(json, 'cache_creation_input_token_cost_above_1hr_above_200k_tokens'),
    inputImageToken: rate(json, 'input_cost_per_image_token'),
    outputImageToken: rate(json, 'output_cost_per_image_token'),
    inputAudioToken: rate(json, 'input_cost_per_audio_token'),
    outputAudioToken: rate(json, 'output_cost_per_audio_token'),
    outputImage: rate(json, 'output_cost_per_image'),
    request: rate(json, 'input_cost_per_request'),
  };
  const billable =
    price.input ?? price.output ?? price.cacheRead ?? price.cacheWrite5m ?? price.outputImage ?? price.request;
  return billable === undefined ? undefined : price;
}

/**
 * The price that a request is billed at: the configured source's model first, the other one if that has no price;
 * names are compared exactly. Undefined = unknown.
 */
export function priceFor(
  prices: ReadonlyMap<string, ModelPrice>,
  source: 'original' | 'redirected',
  originalModel: string,
  model: string,
): ModelPrice | undefined {
  const [first, second] = source === 'original' ? [originalModel, model] : [model, originalModel];
  return prices.get(first) ?? prices.get(second);
}
