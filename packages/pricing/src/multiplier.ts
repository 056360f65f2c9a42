import { parseDecimal } from './decimal.ts';

/** Digits kept of a provider's cost multiplier; the column has four. */
export const MULTIPLIER_SCALE = 6;

const ONE = 10n ** BigInt(MULTIPLIER_SCALE);

/**
 * A provider's cost multiplier (`"1.2500"`) as an integer of MULTIPLIER_SCALE digits. Empty text means 1, zero means
 * free. Undefined: not a number or negative.
 */
export function parseMultiplier(text: string): bigint | undefined {
  if (text.trim() === '') return ONE;
  const value = parseDecimal(text, MULTIPLIER_SCALE);
  return value === undefined || value < 0n ? undefined : value;
}

/** As parseMultiplier, but text that makes no sense costs the full price: a typo must not make traffic free. */
export function multiplierOrOne(text: string): bigint {
  return parseMultiplier(text) ?? ONE;
}
