/** Order statistics: medians and quartiles, because a busy neighbour makes means worthless. Pure. */

/** @returns NaN for an empty list */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((left, right) => left - right);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Distance of the quartiles in per cent of the median: how noisy it was. */
  readonly noisePercent: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const [low, middle, high] = [quantile(values, 0.25), median(values), quantile(values, 0.75)];
  return { median: middle, low, high, noisePercent: middle === 0 ? 0 : ((high - low) / Math.abs(middle)) * 100 };
}

/** Element by element, of two series that were measured in turns. */
export function ratios(numerators: readonly number[], denominators: readonly number[]): number[] {
  const count = Math.min(numerators.length, denominators.length);
  return Array.from({ length: count }, (_, index) => (numerators[index] ?? Number.NaN) / (denominators[index] ?? Number.NaN));
}

export function differences(left: readonly number[], right: readonly number[]): number[] {
  const count = Math.min(left.length, right.length);
  return Array.from({ length: count }, (_, index) => (left[index] ?? Number.NaN) - (right[index] ?? Number.NaN));
}
