import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokens } from '../test/usage.ts';
import { affordableOutput, cost, maximumCost, parsePrice } from './index.ts';
import type { ModelPrice } from './index.ts';

function price(json: Record<string, unknown>): ModelPrice {
  const parsed = parsePrice(json);
  if (parsed === undefined) throw new Error('a usable price');
  return parsed;
}

const sonnet = price({ input_cost_per_token: 3e-6, output_cost_per_token: 15e-6 });

const rate = fc.integer({ min: 0, max: 1_000_000 }).map((units) => units / 1e10);
const anyPrice = fc
  .record(
    {
      input_cost_per_token: rate,
      output_cost_per_token: rate,
      cache_read_input_token_cost: rate,
      cache_creation_input_token_cost: rate,
      cache_creation_input_token_cost_above_1hr: rate,
      input_cost_per_token_above_200k_tokens: rate,
      output_cost_per_token_above_200k_tokens: rate,
      cache_read_input_token_cost_above_200k_tokens: rate,
      cache_creation_input_token_cost_above_200k_tokens: rate,
      input_cost_per_audio_token: rate,
      output_cost_per_image_token: rate,
      output_cost_per_image: rate,
      input_cost_per_request: rate,
    },
    { requiredKeys: ['input_cost_per_token'] },
  )
  .map((json) => price(json));
const multiplier = fc.constantFrom('', '0', '1', '0.7', '1.25', '3.3333');

describe('the most that a request can cost', () => {
  it('takes every input token as the dearest cache write', () => {
    const request = { price: sonnet, multiplier: '1', inputTokens: 1000, maxOutputTokens: 100, context1m: false };
    expect(maximumCost(request)).toBe(7_500_000n);
    expect(maximumCost({ ...request, cacheWrite: '5m' })).toBe(5_250_000n);
    expect(maximumCost({ ...request, cacheWrite: 'none' })).toBe(4_500_000n);
    expect(maximumCost({ ...request, multiplier: '0' })).toBe(0n);
  });

  it('is never exceeded by any answer of that size', () => {
    fc.assert(
      fc.property(
        fc.record({ price: anyPrice, multiplier, context1m: fc.boolean() }),
        fc.tuple(fc.nat(400_000), fc.nat(400_000), fc.nat(400_000), fc.nat(400_000), fc.nat(400_000)),
        fc.record({ output: fc.nat(500_000), outputImage: fc.nat(1000), inputAudio: fc.nat(1000), images: fc.nat(3) }),
        (request, [input, cacheRead, cacheWrite5m, cacheWrite1h, cacheWriteUnsplit], { images, ...rest }) => {
          const usage = tokens({ input, cacheRead, cacheWrite5m, cacheWrite1h, cacheWriteUnsplit, ...rest });
          const most = maximumCost({
            ...request,
            inputTokens: input + cacheRead + cacheWrite5m + cacheWrite1h + cacheWriteUnsplit,
            maxOutputTokens: usage.output,
            images,
          });
          expect(most).toBeGreaterThanOrEqual(cost({ ...request, usage, images, cacheTtl: '1h' }).nanos);
        },
      ),
    );
  });
});

describe('affordable output', () => {
  it('is what is left after the prompt', () => {
    const request = { price: sonnet, multiplier: '1', inputTokens: 1000, context1m: false, cacheWrite: 'none' as const };
    expect(affordableOutput({ ...request, nanos: 3_000_000n })).toBe(0);
    expect(affordableOutput({ ...request, nanos: 2_999_999n })).toBe(0);
    expect(affordableOutput({ ...request, nanos: 3_014_999n })).toBe(0);
    expect(affordableOutput({ ...request, nanos: 3_015_000n })).toBe(1);
    expect(affordableOutput({ ...request, multiplier: '0', nanos: 0n })).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('is the largest count whose maximum cost still fits', () => {
    fc.assert(
      fc.property(
        fc.record({ price: anyPrice, multiplier, context1m: fc.boolean(), inputTokens: fc.nat(300_000) }),
        fc.bigInt({ min: 0n, max: 50_000_000_000n }),
        (request, nanos) => {
          const fits = affordableOutput({ ...request, nanos });
          if (fits > 0) expect(maximumCost({ ...request, maxOutputTokens: fits })).toBeLessThanOrEqual(nanos);
          if (fits < Number.MAX_SAFE_INTEGER) {
            expect(maximumCost({ ...request, maxOutputTokens: fits + 1 })).toBeGreaterThan(nanos);
          }
        },
      ),
    );
  });
});
