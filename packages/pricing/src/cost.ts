import { add, dinero, halfUp, multiply, toSnapshot, transformScale } from 'dinero.js/bigint';
import type { Dinero } from 'dinero.js/bigint';
import { USD } from 'dinero.js/bigint/currencies';
import { divideHalfUp, formatDecimal, powerOfTen } from './decimal.ts';
import { multiplierOrOne, MULTIPLIER_SCALE } from './multiplier.ts';
import { RATE_SCALE } from './price.ts';
import type { ModelPrice, Rate } from './price.ts';
import { ratesOf, TIER_TOKENS } from './rates.ts';
import type { Rates, TieredRate } from './rates.ts';
import type { Usage } from '@hub/protocol';

/** Digits of a cost: the cost_usd column is numeric(21,15). */
export const COST_SCALE = 15;

export type CostPart =
  | 'input'
  | 'output'
  | 'cacheRead'
  | 'cacheWrite5m'
  | 'cacheWrite1h'
  | 'inputImage'
  | 'outputImage'
  | 'inputAudio'
  | 'outputAudio'
  | 'image'
  | 'request';

/** One line of an invoice. A component that crosses the 200k tier has two lines. */
export interface CostLine {
  readonly part: CostPart;
  /** Units charged: tokens, or images, or 1 request. */
  readonly tokens: number;
  /** USD per unit, exact decimal text, before the provider's multiplier. */
  readonly unitPrice: string;
  /** tokens × unitPrice in USD, exact decimal text, before the provider's multiplier. */
  readonly cost: string;
}

export interface CostInput {
  readonly usage: Usage;
  readonly price: ModelPrice;
  /** The provider's cost multiplier, decimal text; empty = 1. */
  readonly multiplier: string;
  /** The 1M-context beta was in force upstream. */
  readonly context1m: boolean;
  /** Lifetime asked for: decides what cache writes of unsaid lifetime cost. Unset = 5 minutes. */
  readonly cacheTtl?: '5m' | '1h' | 'mixed' | undefined;
  /** Generated images, for models with a price per image. */
  readonly images?: number;
}

export interface Cost {
  /** Decimal USD text, at most 15 places, rounded half-up once at the end. */
  readonly usd: string;
  /** The same rounded half-up to 1e-9 USD, for counters. */
  readonly nanos: bigint;
  readonly lines: readonly CostLine[];
}

interface Charge {
  readonly part: CostPart;
  readonly units: number;
  readonly rate: Rate;
}

/** A count from outside as a whole number ≥ 0: NaN, negatives and fractions must not reach the money. */
export function wholeCount(value: number): number {
  return Number.isFinite(value) && value > 0 ? Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER) : 0;
}

function tierCharges(part: CostPart, units: number, rate: TieredRate): Charge[] {
  const base = Math.min(units, TIER_TOKENS);
  const above = units - base;
  if (above > 0 && rate.above !== rate.base) {
    return [
      { part, units: base, rate: rate.base },
      { part, units: above, rate: rate.above },
    ];
  }
  return [{ part, units, rate: rate.base }];
}

/** Splits off the shares of a component that have a price of their own; what they leave is the component itself. */
function withShares(
  part: 'input' | 'output',
  total: number,
  rate: TieredRate,
  shares: readonly { part: CostPart; units: number; rate: TieredRate | undefined }[],
): Charge[] {
  let rest = total;
  const ofShares: Charge[] = [];
  for (const share of shares) {
    if (share.rate === undefined) continue;
    const units = Math.min(wholeCount(share.units), rest);
    rest -= units;
    ofShares.push(...tierCharges(share.part, units, share.rate));
  }
  return [...tierCharges(part, rest, rate), ...ofShares];
}

function charges(input: CostInput, rates: Rates): Charge[] {
  const { usage, price } = input;
  const unsplit = wholeCount(usage.cacheWriteUnsplit);
  const unsplitIs1h = input.cacheTtl === '1h';
  const write5m = wholeCount(usage.cacheWrite5m) + (unsplitIs1h ? 0 : unsplit);
  const write1h = wholeCount(usage.cacheWrite1h) + (unsplitIs1h ? unsplit : 0);
  const all = [
    ...withShares('input', wholeCount(usage.input), rates.input, [
      { part: 'inputImage', units: usage.inputImage, rate: rates.inputImageToken },
      { part: 'inputAudio', units: usage.inputAudio, rate: rates.inputAudioToken },
    ]),
    ...tierCharges('cacheRead', wholeCount(usage.cacheRead), rates.cacheRead),
    ...tierCharges('cacheWrite5m', write5m, rates.cacheWrite5m),
    ...tierCharges('cacheWrite1h', write1h, rates.cacheWrite1h),
    ...withShares('output', wholeCount(usage.output), rates.output, [
      { part: 'outputImage', units: usage.outputImage, rate: rates.outputImageToken },
      { part: 'outputAudio', units: usage.outputAudio, rate: rates.outputAudioToken },
    ]),
  ];
  if (price.outputImage !== undefined) {
    all.push({ part: 'image', units: wholeCount(input.images ?? 0), rate: price.outputImage });
  }
  if (price.request !== undefined) all.push({ part: 'request', units: 1, rate: price.request });
  return all.filter((charge) => charge.units > 0);
}

function usd(amount: bigint, scale: number): Dinero<bigint> {
  return dinero({ amount, currency: USD, scale: BigInt(scale) });
}

/**
 * What an answer cost: Σ units × rate, times the provider's multiplier, exact until one rounding half-up to 15 decimals
 * at the end. Counts that are not whole numbers ≥ 0 count as 0 or are rounded down; the result is never NaN.
 */
export function cost(input: CostInput): Cost {
  let total = usd(0n, RATE_SCALE);
  const lines: CostLine[] = [];
  for (const { part, units, rate } of charges(input, ratesOf(input.price, input.context1m))) {
    const line = multiply(usd(rate, RATE_SCALE), BigInt(units));
    total = add(total, line);
    lines.push({
      part,
      tokens: units,
      unitPrice: formatDecimal(rate, RATE_SCALE),
      cost: formatDecimal(rate * BigInt(units), RATE_SCALE),
    });
  }
  const multiplier = { amount: multiplierOrOne(input.multiplier), scale: BigInt(MULTIPLIER_SCALE) };
  const rounded = toSnapshot(transformScale(multiply(total, multiplier), BigInt(COST_SCALE), halfUp));
  return {
    usd: formatDecimal(rounded.amount, COST_SCALE),
    nanos: divideHalfUp(rounded.amount, powerOfTen(COST_SCALE - 9)),
    lines,
  };
}
