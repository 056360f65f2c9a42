import type { ModelPrice, Rate } from './price.ts';

/** Tokens of one component that are charged at its base rate; what is above has the long-context rate. */
export const TIER_TOKENS = 200_000;

/** A component's two rates: up to TIER_TOKENS, and above. */
export interface TieredRate {
  readonly base: Rate;
  readonly above: Rate;
}

/** The rates that a request is charged at, fall-backs and long-context rules applied. */
export interface Rates {
  readonly input: TieredRate;
  readonly output: TieredRate;
  readonly cacheRead: TieredRate;
  readonly cacheWrite5m: TieredRate;
  readonly cacheWrite1h: TieredRate;
  readonly inputImageToken: TieredRate | undefined;
  readonly outputImageToken: TieredRate | undefined;
  readonly inputAudioToken: TieredRate | undefined;
  readonly outputAudioToken: TieredRate | undefined;
}

/** Premiums of the 1M context beta on tokens above the tier: ×2 on fresh input and cache writes, ×1.5 on output. */
const CONTEXT_1M_INPUT = { times: 2n, over: 1n };
const CONTEXT_1M_OUTPUT = { times: 3n, over: 2n };

function scaled(rate: Rate, factor: { times: bigint; over: bigint }): Rate {
  return (rate * factor.times) / factor.over;
}

function tiered(base: Rate | undefined, above: Rate | undefined): TieredRate {
  const known = base ?? 0n;
  return { base: known, above: above ?? known };
}

function flat(rate: Rate | undefined): TieredRate | undefined {
  return rate === undefined ? undefined : { base: rate, above: rate };
}

/**
 * The rates of one request.
 *
 * Fall-backs as in v0.3.42: a 5-minute cache write costs 1.25 × input, a 1-hour write 2 × input (or the 5-minute price
 * when there is no input price), a cache read 0.1 × input (or 0.1 × output when there is no input price).
 * Above 200,000 tokens per component: with the 1M context in force the premiums above apply and cache reads have none;
 * else the row's own above-200k prices, which for cache reads and writes count only beside a real base price.
 */
export function ratesOf(price: ModelPrice, context1m: boolean): Rates {
  const { input, output } = price;
  const write5m = price.cacheWrite5m ?? (input === undefined ? undefined : (input * 5n) / 4n);
  const write1h = price.cacheWrite1h ?? (input === undefined ? write5m : input * 2n);
  const tenthOf = input ?? output;
  const read = price.cacheRead ?? (tenthOf === undefined ? undefined : tenthOf / 10n);
  const shares = {
    inputImageToken: flat(price.inputImageToken),
    outputImageToken: flat(price.outputImageToken),
    inputAudioToken: flat(price.inputAudioToken),
    outputAudioToken: flat(price.outputAudioToken),
  };
  if (context1m) {
    const premium = (rate: Rate | undefined, factor: typeof CONTEXT_1M_INPUT): TieredRate =>
      tiered(rate, rate === undefined ? undefined : scaled(rate, factor));
    return {
      ...shares,
      input: premium(input, CONTEXT_1M_INPUT),
      output: premium(output, CONTEXT_1M_OUTPUT),
      cacheRead: tiered(read, undefined),
      cacheWrite5m: premium(write5m, CONTEXT_1M_INPUT),
      cacheWrite1h: premium(write1h, CONTEXT_1M_INPUT),
    };
  }
  const writeIsReal = price.cacheWrite5m !== undefined;
  const write5mAbove = writeIsReal ? price.cacheWrite5mAbove200k : undefined;
  return {
    ...shares,
    input: tiered(input, input === undefined ? undefined : price.inputAbove200k),
    output: tiered(output, output === undefined ? undefined : price.outputAbove200k),
    cacheRead: tiered(read, price.cacheRead === undefined ? undefined : price.cacheReadAbove200k),
    cacheWrite5m: tiered(write5m, write5mAbove),
    cacheWrite1h: tiered(write1h, writeIsReal ? (price.cacheWrite1hAbove200k ?? write5mAbove) : undefined),
  };
}
