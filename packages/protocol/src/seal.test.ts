import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReasoningPart, Seal } from './chat.ts';
import { dialects } from './dialect.ts';
import { isMarked, readBundle, readSeal, writeBundle, writeSeal } from './seal.ts';

const seal: fc.Arbitrary<Seal> = fc
  .record({ origin: fc.constantFrom(...dialects), data: fc.base64String(), id: fc.option(fc.string({ minLength: 1, maxLength: 20 }), { nil: undefined }), redacted: fc.boolean() })
  .map(({ origin, data, id, redacted }) => ({ origin, data, ...(id === undefined ? {} : { id }), ...(redacted ? { redacted } : {}) }));

describe('a seal', () => {
  it('comes back from a client of another dialect as it was', () => {
    fc.assert(
      fc.property(seal, fc.constantFrom(...dialects), (original, own) => {
        fc.pre(original.origin !== own);
        const text = writeSeal(own, original);
        expect(isMarked(text)).toBe(true);
        expect(readSeal(own, text)).toEqual(original);
      }),
    );
  });

  it('of the client dialect itself is not touched', () => {
    expect(writeSeal('anthropic', { origin: 'anthropic', data: 'EqQB' })).toBe('EqQB');
    expect(readSeal('anthropic', 'EqQB')).toEqual({ origin: 'anthropic', data: 'EqQB' });
    expect(readSeal('openai-responses', 'gAAA', 'rs_1')).toEqual({ origin: 'openai-responses', data: 'gAAA', id: 'rs_1' });
    expect(isMarked('EqQB')).toBe(false);
  });
});

describe('a bundle', () => {
  it('carries text and seals through a field of base64', () => {
    const part = fc.record({ text: fc.string({ unit: 'grapheme' }), seal: seal.filter(({ origin }) => origin !== 'gemini') }).map(({ text, seal: own }): ReasoningPart => ({ type: 'reasoning', text, seal: own }));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
        const text = writeBundle(parts) ?? '';
        expect(text).toMatch(/^[A-Za-z0-9+/]+=*$/);
        expect(isMarked(text)).toBe(true);
        expect(readBundle(text)).toEqual(parts);
      }),
    );
  });

  it('is not made of what is too much, nor read from a signature or from rubbish', () => {
    const own: Seal = { origin: 'anthropic', data: 'c2ln' };
    expect(writeBundle([{ type: 'reasoning', text: 'x'.repeat(70_000), seal: own }])).toBeUndefined();
    expect(writeBundle([{ type: 'reasoning', text: 'x' }])).toBeUndefined();
    expect(readBundle('CiQBjz1rX')).toBeUndefined();
    expect(readBundle('aHViMS5%%%')).toEqual([]);
  });
});
