import { wholeCount } from './cost.ts';
import { divideUp, powerOfTen } from './decimal.ts';
import { multiplierOrOne, MULTIPLIER_SCALE } from './multiplier.ts';
import { RATE_SCALE } from './price.ts';
import type { ModelPrice } from './price.ts';
import { ratesOf, TIER_TOKENS } from './rates.ts';
import type { TieredRate } from './rates.ts';

/** One nano-dollar at the scale of rate × multiplier. */
const NANO = powerOfTen(RATE_SCALE + MULTIPLIER_SCALE - 9);

export interface MaximumInput {
  readonly price: ModelPrice;
  readonly multiplier: string;
  /** An upper bound on the tokens of the prompt, cached or not. */
  readonly inputTokens: number;
  readonly context1m: boolean;
  /** The dearest cache write that the request can cause. Unset = 1h; `none` when it sets no cache breakpoint. */
  readonly cacheWrite?: 'none' | '5m' | '1h' | undefined;
  /** The most images that the request can produce. Unset = 0. */
  readonly images?: number | undefined;
}

/** The dearest of several rates, tier by tier. */
function dearest(rates: readonly (TieredRate | undefined)[]): TieredRate {
  let base = 0n;
  let above = 0n;
  for (const rate of rates) {
    if (rate === undefined) continue;
    if (rate.base > base) base = rate.base;
    if (rate.above > above) above = rate.above;
  }
  return { base, above: above > base ? above : base };
}

function tierCost(tokens: number, rate: TieredRate): bigint {
  const base = Math.min(tokens, TIER_TOKENS);
  return BigInt(base) * rate.base + BigInt(tokens - base) * rate.above;
}

/** The most that everything but the output can cost, at RATE_SCALE, before the multiplier. */
function fixedCost(input: MaximumInput): bigint {
  const rates = ratesOf(input.price, input.context1m);
  const write = input.cacheWrite ?? '1h';
  const rate = dearest([
    rates.input,
    rates.cacheRead,
    rates.inputImageToken,
    rates.inputAudioToken,
    write === 'none' ? undefined : rates.cacheWrite5m,
    write === '1h' ? rates.cacheWrite1h : undefined,
  ]);
  const images = BigInt(wholeCount(input.images ?? 0)) * (input.price.outputImage ?? 0n);
  return tierCost(wholeCount(input.inputTokens), rate) + images + (input.price.request ?? 0n);
}

function outputRate(input: MaximumInput): TieredRate {
  const rates = ratesOf(input.price, input.context1m);
  return dearest([rates.output, rates.outputImageToken, rates.outputAudioToken]);
}

/**
 * The most that a request can cost, in nano-dollars rounded up: every prompt token at the dearest input rate (fresh,
 * cache write, image, audio), everything above 200,000 tokens at the dearest long-context rate, `maxOutputTokens` at
 * the dearest output rate, times the multiplier. No split of the same tokens over the components costs more, because
 * tokens above one component's tier are never more than tokens above the tier of the sum.
 */
export function maximumCost(input: MaximumInput & { readonly maxOutputTokens: number }): bigint {
  const output = tierCost(wholeCount(input.maxOutputTokens), outputRate(input));
  return divideUp((fixedCost(input) + output) * multiplierOrOne(input.multiplier), NANO);
}

/**
 * How many output tokens still fit into `nanos` when the rest of the request costs the most it can: the largest n with
 * maximumCost(…, maxOutputTokens: n) ≤ nanos. 0 when not even the prompt fits, Number.MAX_SAFE_INTEGER when output is free.
 */
export function affordableOutput(input: MaximumInput & { readonly nanos: bigint }): number {
  const multiplier = multiplierOrOne(input.multiplier);
  const left = input.nanos * NANO - fixedCost(input) * multiplier;
  if (left < 0n) return 0;
  const rate = outputRate(input);
  const baseRate = rate.base * multiplier;
  const aboveRate = rate.above * multiplier;
  if (baseRate === 0n && aboveRate === 0n) return Number.MAX_SAFE_INTEGER;
  const tier = BigInt(TIER_TOKENS) * baseRate;
  if (left < tier) return Number(left / baseRate);
  const above = aboveRate === 0n ? BigInt(Number.MAX_SAFE_INTEGER) : (left - tier) / aboveRate;
  const tokens = BigInt(TIER_TOKENS) + above;
  return tokens > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(tokens);
}
