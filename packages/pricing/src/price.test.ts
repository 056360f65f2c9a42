import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDecimal } from './decimal.ts';
import { parseMultiplier, parsePrice, priceFor, RATE_SCALE } from './index.ts';

const text = (rate: bigint | undefined): string | undefined =>
  rate === undefined ? undefined : formatDecimal(rate, RATE_SCALE);

describe('a price row', () => {
  it('keeps its decimals whether they are numbers, exponents or text', () => {
    const price = parsePrice({
      mode: 'chat',
      input_cost_per_token: 3e-6,
      output_cost_per_token: JSON.parse('1.5e-05'),
      cache_read_input_token_cost: '0.0000003',
      cache_creation_input_token_cost: '3.75E-06',
      output_cost_per_image: 0.06,
    });
    expect(text(price?.input)).toBe('0.000003');
    expect(text(price?.output)).toBe('0.000015');
    expect(text(price?.cacheRead)).toBe('0.0000003');
    expect(text(price?.cacheWrite5m)).toBe('0.00000375');
    expect(text(price?.outputImage)).toBe('0.06');
    expect(price?.cacheWrite1h).toBeUndefined();
    expect(price?.mode).toBe('chat');
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'gpt'],
    ['a list', [{ input_cost_per_token: 1 }]],
    ['no known field', { mode: 'audio', input_cost_per_character: 0.00003 }],
    ['unreadable numbers', { input_cost_per_token: 'free', output_cost_per_token: {} }],
    ['negative numbers', { input_cost_per_token: -0.1 }],
    ['no finite number', { input_cost_per_token: Number.NaN, output_cost_per_token: Number.POSITIVE_INFINITY }],
  ])('is unknown, not free: %s', (_, json) => {
    expect(parsePrice(json)).toBeUndefined();
  });

  it('is known when it says 0', () => {
    expect(parsePrice({ input_cost_per_token: 0, output_cost_per_token: 0 })?.input).toBe(0n);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        parsePrice(value);
        parsePrice({ input_cost_per_token: value, output_cost_per_token: value });
      }),
    );
  });
});

describe('priceFor', () => {
  const original = parsePrice({ input_cost_per_token: 1 });
  const redirected = parsePrice({ input_cost_per_token: 2 });
  if (original === undefined || redirected === undefined) throw new Error('usable prices');
  const both = new Map([
    ['a', original],
    ['b', redirected],
  ]);

  it('takes the configured model, else the other, else nothing; names exactly', () => {
    expect(priceFor(both, 'original', 'a', 'b')).toBe(original);
    expect(priceFor(both, 'redirected', 'a', 'b')).toBe(redirected);
    expect(priceFor(new Map([['b', redirected]]), 'original', 'a', 'b')).toBe(redirected);
    expect(priceFor(new Map([['a', original]]), 'redirected', 'a', 'b')).toBe(original);
    expect(priceFor(both, 'original', 'A', 'B')).toBeUndefined();
  });
});

describe('a multiplier', () => {
  it.each([
    ['', 1_000_000n],
    ['1.2500', 1_250_000n],
    ['0', 0n],
    ['2e-1', 200_000n],
    ['-1', undefined],
    ['cheap', undefined],
  ])('%j', (from, to) => {
    expect(parseMultiplier(from)).toBe(to);
  });
});
