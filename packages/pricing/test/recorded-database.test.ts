import { describe, expect, it } from 'vitest';
import { cost, parsePrice, priceFor } from '../src/index.ts';
import type { ModelPrice } from '../src/index.ts';
import { dumpIsThere, readDump, tableRows } from './recorded-database.ts';
import { tokens } from './usage.ts';

describe.skipIf(!dumpIsThere())('the rows of a recorded v0.3.42 database', () => {
  it('cost what that version wrote', () => {
    const sql = readDump();
    const prices = new Map<string, ModelPrice>();
    for (const row of tableRows(sql, 'model_prices').sort((a, b) => Number(a['id']) - Number(b['id']))) {
      const price = parsePrice(JSON.parse(row['price_data'] ?? 'null'));
      if (price !== undefined) prices.set(row['model_name'] ?? '', price);
    }
    // A row that failed over shows its first provider's multiplier; the cost is with that of the provider that answered.
    const multipliers = new Map(tableRows(sql, 'providers').map((row) => [row['id'], row['cost_multiplier']]));
    let compared = 0;
    const differences: string[] = [];
    for (const row of tableRows(sql, 'message_request')) {
      const written = row['cost_usd'];
      if (written === undefined || Number(written) === 0) continue;
      const price = priceFor(prices, 'original', row['original_model'] ?? '', row['model'] ?? '');
      const count = (name: string): number => Number(row[name] ?? 0);
      const write5m = count('cache_creation_5m_input_tokens');
      const write1h = count('cache_creation_1h_input_tokens');
      const ttl = row['cache_ttl_applied'];
      const computed =
        price === undefined
          ? 'unknown'
          : cost({
              usage: tokens({
                input: count('input_tokens'),
                output: count('output_tokens'),
                cacheRead: count('cache_read_input_tokens'),
                cacheWrite5m: write5m,
                cacheWrite1h: write1h,
                cacheWriteUnsplit: count('cache_creation_input_tokens') - write5m - write1h,
              }),
              price,
              multiplier: multipliers.get(row['provider_id']) ?? '1',
              context1m: row['context_1m_applied'] === 't',
              cacheTtl: ttl === '5m' || ttl === '1h' || ttl === 'mixed' ? ttl : undefined,
            }).usd;
      compared += 1;
      if (computed !== written.replace(/\.?0+$/, '')) differences.push(`${row['id']} ${row['model']} ${written} ${computed}`);
    }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(300);
  });
});
