import { create, UsageRecordSchema } from '@hub/contract';
import { recordId } from '@hub/service';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { usageRow } from './usage-row.ts';

const base = { id: recordId(1_795_417_865_592), startedAtMs: 1_795_417_865_592n, userId: 1, keyId: 1 };

describe('any record', () => {
  it('is a row that fits its columns, or has a reason', () => {
    const text = fc.string({ unit: 'binary', maxLength: 600 });
    fc.assert(
      fc.property(
        fc.record({ model: text, userAgent: text, sessionId: text, endpoint: text, errorMessage: text, blockedBy: text, clientDialect: text, cacheTtlApplied: text, configVersion: text, costMultiplier: text }),
        fc.option(fc.oneof(text, fc.double().map(String), fc.bigInt().map(String)), { nil: undefined }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        (texts, costUsd, count) => {
          const row = usageRow(create(UsageRecordSchema, { ...base, ...texts, costUsd, usage: { input: count, cacheWrite5m: count } }), 'k');
          if (typeof row === 'string') {
            expect(row).toMatch(/cost_usd/);
            return;
          }
          const widths = { model: 128, user_agent: 512, session_id: 64, endpoint: 256, blocked_by: 50, client_dialect: 10, cache_ttl_applied: 10, config_version: 100 } as const;
          for (const [name, width] of Object.entries(widths)) {
            const value = row[name as keyof typeof widths];
            expect([...String(value ?? '')].length).toBeLessThanOrEqual(width);
          }
          expect(JSON.stringify(row)).not.toMatch(/\\u0000|\\ud[89a-f]/);
          for (const tokens of [row.input_tokens, row.cache_creation_input_tokens]) {
            expect(Number(tokens)).toBeGreaterThanOrEqual(0);
            expect(Number(tokens)).toBeLessThanOrEqual(2_147_483_647);
          }
          if (row.cost_usd !== null) expect(Number(row.cost_usd)).toBeLessThanOrEqual(1e6);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('keeps JSON as it is unless PostgreSQL could not hold it', () => {
    const chain = (providerChainJson: string) => {
      const row = usageRow(create(UsageRecordSchema, { ...base, providerChainJson }), 'k');
      return typeof row === 'string' ? row : row.provider_chain;
    };
    expect(chain('[{"a":  1.50}]')).toBe('[{"a":  1.50}]');
    expect(chain('"\\u0000"')).toBe('""');
    expect(chain('{"a\\u0000":"\\uD800"}')).toBe('{"a":"\ufffd"}');
    expect(chain('"\\ud83d\\ude00"')).toBe('"😀"');
    expect(chain('null')).toBeNull();
    expect(chain('')).toBeNull();
    expect(chain('[')).toBeNull();
    expect(chain(`["${'x'.repeat(1024 * 1024)}"]`)).toBeNull();
  });
});
