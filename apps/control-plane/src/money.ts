/** numeric columns as Prisma reads them. */
export interface Decimal {
  toNumber(): number;
  toFixed(places?: number): string;
  decimalPlaces(): number;
}

/** USD where v0.3.42 sends text: at least two decimals, and as many as were stored. */
export function usdText(amount: Decimal | null): string | null {
  return amount === null ? null : amount.toFixed(Math.max(2, amount.decimalPlaces()));
}

/** USD where v0.3.42 sends numbers. */
export function usdNumber(amount: Decimal | null): number | null {
  return amount === null ? null : amount.toNumber();
}

/** A limit that is switched off by 0 or by absence. */
export function positiveOrNull(limit: number | null): number | null {
  return limit !== null && limit > 0 ? limit : null;
}
