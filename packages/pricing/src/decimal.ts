/**
 * Decimals as scaled integers: a value v at scale s is the bigint v × 10^s. Nothing here goes through a float,
 * so a price that reads 0.000003 is exactly that.
 */

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;

/** No price, multiplier or amount needs more characters; longer text is refused rather than computed with. */
const MAX_CHARACTERS = 100;

/** 10^exponent, exponent ≥ 0. */
export function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}

/** numerator / denominator to the nearest integer, halves away from zero. The denominator is positive. */
export function divideHalfUp(numerator: bigint, denominator: bigint): bigint {
  const magnitude = numerator < 0n ? -numerator : numerator;
  const quotient = (magnitude * 2n + denominator) / (denominator * 2n);
  return numerator < 0n ? -quotient : quotient;
}

/** numerator / denominator rounded towards +∞. The denominator is positive. */
export function divideUp(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  return numerator > 0n && quotient * denominator !== numerator ? quotient + 1n : quotient;
}

/**
 * Decimal text (`"0.000003"`, `"3e-06"`, `"1.2500"`) or a JSON number as a bigint of `scale` digits; digits beyond the
 * scale are rounded half-up. Anything that is not a finite decimal is undefined.
 */
export function parseDecimal(value: unknown, scale: number): bigint | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  // A number prints as its shortest exact-round-trip text, which is the text that was in the JSON.
  const text = String(value).trim();
  if (text.length > MAX_CHARACTERS) return undefined;
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(whole + fraction);
  const shift = scale + Number(exponent) - fraction.length;
  const magnitude = shift >= 0 ? digits * powerOfTen(shift) : divideHalfUp(digits, powerOfTen(-shift));
  return sign === '-' ? -magnitude : magnitude;
}

/** The shortest plain decimal text of a scaled value: no exponent, no trailing zeros. */
export function formatDecimal(value: bigint, scale: number): string {
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  return fraction === '' ? sign + whole : `${sign}${whole}.${fraction}`;
}
