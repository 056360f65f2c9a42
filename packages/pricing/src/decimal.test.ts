import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideHalfUp, divideUp, formatDecimal, parseDecimal } from './decimal.ts';
import { nanosToUsd, usdToNanos } from './nanos.ts';

describe('decimals', () => {
  it('survive text and back at any scale', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 30 }), (value, scale) => {
        expect(parseDecimal(formatDecimal(value, scale), scale)).toBe(value);
      }),
    );
  });

  it('equal the shortest text of any double', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1e12, noNaN: true }), (value) => {
        const scaled = parseDecimal(value, 40);
        expect(scaled === undefined ? undefined : Number(formatDecimal(scaled, 40))).toBe(value);
      }),
    );
  });

  it.each(['', '.', '-', 'e5', '1e', '1,5', '0x10', 'NaN', '1e9999', ' 1 2 ', '9'.repeat(101)])('refuse %j', (text) => {
    expect(parseDecimal(text, 5)).toBeUndefined();
  });

  it('round halves away from zero', () => {
    expect(parseDecimal('0.0000000005', 9)).toBe(1n);
    expect(parseDecimal('-0.0000000005', 9)).toBe(-1n);
    expect(parseDecimal('0.00000000049999', 9)).toBe(0n);
    expect([divideHalfUp(5n, 10n), divideHalfUp(4n, 10n), divideHalfUp(-5n, 10n)]).toEqual([1n, 0n, -1n]);
    expect([divideUp(1n, 10n), divideUp(10n, 10n), divideUp(-1n, 10n), divideUp(0n, 3n)]).toEqual([1n, 1n, 0n, 0n]);
  });
});

describe('nano-dollars', () => {
  it.each([
    ['0', 0n, '0'],
    ['12.50', 12_500_000_000n, '12.5'],
    ['0.000049', 49_000n, '0.000049'],
    ['1e-9', 1n, '0.000000001'],
    ['-3', -3_000_000_000n, '-3'],
    ['99999999.99', 99_999_999_990_000_000n, '99999999.99'],
  ])('%s USD', (usd, nanos, back) => {
    expect(usdToNanos(usd)).toBe(nanos);
    expect(nanosToUsd(nanos)).toBe(back);
  });

  it('refuse what is no amount', () => {
    expect(() => usdToNanos('a lot')).toThrow(RangeError);
    expect(() => usdToNanos(Number.NaN)).toThrow(RangeError);
  });
});
