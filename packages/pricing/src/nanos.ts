import { formatDecimal, parseDecimal } from './decimal.ts';

/** Counters and limits are whole nano-dollars: 1e-9 USD. */
export const NANOS_PER_USD = 1_000_000_000n;

const NANO_SCALE = 9;

/** USD (decimal text or number) → nano-dollars, rounded half-up. Throws a RangeError on text that is no number. */
export function usdToNanos(usd: string | number): bigint {
  const nanos = parseDecimal(usd, NANO_SCALE);
  if (nanos === undefined) throw new RangeError(`not an amount of money: ${JSON.stringify(usd)}`);
  return nanos;
}

/** Nano-dollars → exact decimal USD text without trailing zeros. */
export function nanosToUsd(nanos: bigint): string {
  return formatDecimal(nanos, NANO_SCALE);
}
