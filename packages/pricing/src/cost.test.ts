import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokens } from '../test/usage.ts';
import { parseDecimal } from './decimal.ts';
import { cost, parsePrice } from './index.ts';
import type { Usage } from '@hub/protocol';
import type { CostInput, ModelPrice } from './index.ts';

function price(json: Record<string, unknown>): ModelPrice {
  const parsed = parsePrice(json);
  if (parsed === undefined) throw new Error('a usable price');
  return parsed;
}

const sonnet = price({
  input_cost_per_token: 3e-6,
  output_cost_per_token: 15e-6,
  cache_read_input_token_cost: 3e-7,
  cache_creation_input_token_cost: 3.75e-6,
  cache_creation_input_token_cost_above_1hr: 6e-6,
  input_cost_per_token_above_200k_tokens: 6e-6,
  output_cost_per_token_above_200k_tokens: 22.5e-6,
});
const opus = price({
  input_cost_per_token: 15e-6,
  output_cost_per_token: 75e-6,
  cache_read_input_token_cost: 1.5e-6,
  cache_creation_input_token_cost: 18.75e-6,
  cache_creation_input_token_cost_above_1hr: 30e-6,
});
const codex = price({ input_cost_per_token: 1.25e-6, output_cost_per_token: 1e-5, cache_read_input_token_cost: 1.25e-7 });
const flash = price({ input_cost_per_token: 3e-7, output_cost_per_token: 2.5e-6, cache_read_input_token_cost: 3e-8 });

const invoice = (of: ModelPrice, counts: Partial<Usage>, more: Partial<CostInput> = {}): string =>
  cost({ usage: tokens(counts), price: of, multiplier: '1', context1m: false, ...more }).usd;

const small = { input: 120, output: 42, cacheRead: 3000, cacheWrite5m: 150, cacheWrite1h: 50 };
const big = { input: 250_000, output: 210_000, cacheRead: 400_000, cacheWrite5m: 300_000, cacheWrite1h: 200_000 };

describe('golden invoices', () => {
  it.each<[string, string, ModelPrice, Partial<Usage>, Partial<CostInput>]>([
    // 120×3 + 42×15 + 3000×0.3 + 150×3.75 + 50×6 µUSD
    ['Claude, mixed cache', '0.0027525', sonnet, small, {}],
    ['cut after one output token', '0.0021375', sonnet, { ...small, output: 1 }, {}],
    ['1M context below the tier changes nothing', '0.0027525', sonnet, small, { context1m: true }],
    ['multiplier 2.5', '0.00688125', sonnet, small, { multiplier: '2.5' }],
    ['multiplier 0', '0', sonnet, small, { multiplier: '0' }],
    ['a multiplier that is no number costs the full price', '0.0027525', sonnet, small, { multiplier: 'x' }],
    ['Opus', '0.0137625', opus, small, {}],
    ['Codex', '0.000918', codex, { input: 296, output: 42, cacheRead: 1024 }, {}],
    ['Gemini Flash', '0.00022452', flash, { input: 296, output: 42, cacheRead: 1024 }, {}],
    // in 0.6+0.3, out 3+0.225, 5m 1.125, 1h 1.2, read 0.12
    ['above 200k by price', '6.57', sonnet, big, {}],
    // in 0.6+0.3, out 3+0.225, 5m 0.75+0.75, 1h 1.2, read 0.12
    ['above 200k with 1M context', '6.945', sonnet, big, { context1m: true }],
    ['above 200k without tier prices', '31.725', opus, big, {}],
    // 10×1 + 7×2 + 5×0.1 (fall-back) = 24.5 µUSD, twice
    ['streamed, multiplier 2', '0.000049', price({ input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 }), { input: 10, output: 7, cacheRead: 5 }, { multiplier: '2.0000' }],
    // D09 in docs/complaints.md.
  ])('%s = %s', (_, usd, of, counts, more) => {
    expect(invoice(of, counts, more)).toBe(usd);
  });
});

describe('fall-backs', () => {
  const inputOnly = price({ input_cost_per_token: 4e-6 });
  const outputOnly = price({ output_cost_per_token: 4e-6 });
  it.each<[string, string, ModelPrice, Partial<Usage>, Partial<CostInput>]>([
    ['5m write = input × 1.25', '5', inputOnly, { cacheWrite5m: 1e6 }, {}],
    ['1h write = input × 2', '8', inputOnly, { cacheWrite1h: 1e6 }, {}],
    ['1h write = 5m price without an input price', '3', price({ cache_creation_input_token_cost: 3e-6 }), { cacheWrite1h: 1e6 }, {}],
    ['read = input × 0.1', '0.4', inputOnly, { cacheRead: 1e6 }, {}],
    ['read = output × 0.1 without an input price', '0.4', outputOnly, { cacheRead: 1e6 }, {}],
    ['no output price charges no output', '0', inputOnly, { output: 1e6 }, {}],
    ['unsplit writes are 5m', '5', inputOnly, { cacheWriteUnsplit: 1e6 }, {}],
    ['unsplit writes of a mixed request are 5m', '5', inputOnly, { cacheWriteUnsplit: 1e6 }, { cacheTtl: 'mixed' }],
    ['unsplit writes of a 1h request are 1h', '8', inputOnly, { cacheWriteUnsplit: 1e6 }, { cacheTtl: '1h' }],
  ])('%s', (_, usd, of, counts, more) => {
    expect(invoice(of, counts, more)).toBe(usd);
  });
});

describe('tiers', () => {
  const tiersWithoutBase = price({
    input_cost_per_token: 1e-6,
    cache_read_input_token_cost_above_200k_tokens: 9e-6,
    cache_creation_input_token_cost_above_200k_tokens: 9e-6,
  });
  const tiersWithBase = price({
    input_cost_per_token: 1e-6,
    cache_read_input_token_cost: 1e-6,
    cache_creation_input_token_cost: 1e-6,
    cache_read_input_token_cost_above_200k_tokens: 2e-6,
    cache_creation_input_token_cost_above_200k_tokens: 2e-6,
  });

  // D10 in docs/complaints.md.
  it('start at token 200,001 of each component', () => {
    expect(invoice(sonnet, { input: 200_000 })).toBe('0.6');
    expect(invoice(sonnet, { input: 200_001 })).toBe('0.600006');
  });

  it('of cache parts need a real base price', () => {
    expect(invoice(tiersWithoutBase, { cacheRead: 300_000 })).toBe('0.03');
    expect(invoice(tiersWithoutBase, { cacheWrite5m: 300_000 })).toBe('0.375');
    expect(invoice(tiersWithBase, { cacheRead: 300_000 })).toBe('0.4');
    expect(invoice(tiersWithBase, { cacheWrite5m: 300_000 })).toBe('0.4');
    expect(invoice(tiersWithBase, { cacheWrite1h: 300_000 })).toBe('0.6');
  });

  it('of the 1M context leave cache reads alone', () => {
    expect(invoice(tiersWithBase, { cacheRead: 300_000 }, { context1m: true })).toBe('0.3');
  });

  it('make two lines', () => {
    const { lines } = cost({ usage: tokens({ input: 250_000 }), price: sonnet, multiplier: '3', context1m: false });
    expect(lines).toEqual([
      { part: 'input', tokens: 200_000, unitPrice: '0.000003', cost: '0.6' },
      { part: 'input', tokens: 50_000, unitPrice: '0.000006', cost: '0.3' },
    ]);
  });
});

describe('shares, images, requests', () => {
  const media = price({
    input_cost_per_token: 1e-6,
    output_cost_per_token: 2e-6,
    input_cost_per_audio_token: 5e-6,
    output_cost_per_image_token: 30e-6,
    output_cost_per_image: 0.04,
    input_cost_per_request: 0.01,
  });

  it('are charged at their own price, and only once', () => {
    const { usd, lines } = cost({
      usage: tokens({ input: 100, inputAudio: 40, inputImage: 10, output: 50, outputImage: 20, reasoning: 5 }),
      price: media,
      multiplier: '1',
      context1m: false,
      images: 2,
    });
    expect(lines.map(({ part, tokens: units, cost: usdOfLine }) => [part, units, usdOfLine])).toEqual([
      ['input', 60, '0.00006'],
      ['inputAudio', 40, '0.0002'],
      ['output', 30, '0.00006'],
      ['outputImage', 20, '0.0006'],
      ['image', 2, '0.08'],
      ['request', 1, '0.01'],
    ]);
    expect(usd).toBe('0.09092');
  });
});

describe('rounding', () => {
  it('is half-up, once, at the 15th decimal, and from there to nanos', () => {
    const tiny = price({ input_cost_per_token: '0.0000000000000005' });
    expect(invoice(tiny, { input: 1 })).toBe('0.000000000000001');
    expect(invoice(tiny, { input: 1, output: 1 }, { multiplier: '0.9' })).toBe('0');
    expect(cost({ usage: tokens({ input: 1 }), price: price({ input_cost_per_token: 5e-10 }), multiplier: '1', context1m: false }).nanos).toBe(1n);
  });
});

const counts = fc.record({
  input: fc.nat(600_000),
  output: fc.nat(600_000),
  cacheRead: fc.nat(600_000),
  cacheWrite5m: fc.nat(600_000),
  cacheWrite1h: fc.nat(600_000),
  cacheWriteUnsplit: fc.nat(600_000),
});
const anyPrice = fc
  .record(
    Object.fromEntries(
      [
        'input_cost_per_token',
        'output_cost_per_token',
        'cache_read_input_token_cost',
        'cache_creation_input_token_cost',
        'cache_creation_input_token_cost_above_1hr',
        'input_cost_per_token_above_200k_tokens',
        'output_cost_per_token_above_200k_tokens',
      ].map((name) => [name, fc.integer({ min: 0, max: 1_000_000 }).map((units) => units / 1e10)]),
    ),
  )
  .map((json) => price(json));

/** Enough digits for the prices above and the fall-back factors: no rounding anywhere. */
const exact = (usd: string): bigint => parseDecimal(usd, 15) ?? 0n;

describe('properties', () => {
  it('the invoice is the sum of its lines', () => {
    fc.assert(
      fc.property(anyPrice, counts, fc.boolean(), (of, usage, context1m) => {
        const answer = cost({ usage: tokens(usage), price: of, multiplier: '1', context1m });
        expect(exact(answer.usd)).toBe(answer.lines.reduce((sum, line) => sum + exact(line.cost), 0n));
      }),
    );
  });

  it('parts add up: no component changes the price of another', () => {
    fc.assert(
      fc.property(anyPrice, counts, fc.boolean(), (of, usage, context1m) => {
        const exactOf = (part: Partial<Usage>): bigint => exact(invoice(of, part, { context1m }));
        const together = exactOf({ ...usage, cacheWriteUnsplit: 0 });
        const apart =
          exactOf({ input: usage.input }) +
          exactOf({ output: usage.output }) +
          exactOf({ cacheRead: usage.cacheRead }) +
          exactOf({ cacheWrite5m: usage.cacheWrite5m }) +
          exactOf({ cacheWrite1h: usage.cacheWrite1h });
        expect(together).toBe(apart);
      }),
    );
  });

  it('more tokens never cost less', () => {
    fc.assert(
      fc.property(anyPrice, counts, counts, fc.boolean(), (of, usage, more, context1m) => {
        const larger = Object.fromEntries(
          Object.entries(usage).map(([part, count]) => [part, count + (Object.entries(more).find(([name]) => name === part)?.[1] ?? 0)]),
        );
        const at = (of_: Partial<Usage>): bigint => cost({ usage: tokens(of_), price: of, multiplier: '1.3', context1m }).nanos;
        expect(at(larger)).toBeGreaterThanOrEqual(at(usage));
      }),
    );
  });

  it('garbage counts never give garbage money', () => {
    const garbage = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -1, Number.POSITIVE_INFINITY, 1.7, 2 ** 60));
    fc.assert(
      fc.property(anyPrice, fc.record({ input: garbage, output: garbage, cacheRead: garbage, inputAudio: garbage }), (of, usage) => {
        const answer = cost({ usage: tokens(usage), price: of, multiplier: '1', context1m: false });
        expect(answer.usd).toMatch(/^\d+(\.\d{1,15})?$/);
        expect(answer.nanos).toBeGreaterThanOrEqual(0n);
      }),
    );
  });
});
