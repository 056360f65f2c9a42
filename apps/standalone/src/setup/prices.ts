import type { ManagementClient } from './management-client.ts';

/** USD per million tokens. */
interface ListPrice {
  readonly provider: string;
  readonly input: string;
  readonly output: string;
  readonly cacheRead: string;
  /** For five minutes and for an hour; unset where writing costs nothing extra. */
  readonly cacheWrite?: readonly [string, string];
  /** Input and output beyond 200,000 tokens; unset where they cost the same. */
  readonly long?: readonly [string, string];
}

/**
 * What the vendors' public price lists said in November 2026, standard tariff. Only models whose tariff the price table
 * can express are here; GPT-6 costs more from 272,000 tokens on, which it can't.
 */
const listPrices: Readonly<Record<string, ListPrice>> = {
  'claude-haiku-4-5': { provider: 'anthropic', input: '1', output: '5', cacheRead: '0.1', cacheWrite: ['1.25', '2'] },
  'claude-haiku-4-5-20251001': { provider: 'anthropic', input: '1', output: '5', cacheRead: '0.1', cacheWrite: ['1.25', '2'] },
  'claude-sonnet-4-5': { provider: 'anthropic', input: '3', output: '15', cacheRead: '0.3', cacheWrite: ['3.75', '6'] },
  'claude-sonnet-4-5-20250929': { provider: 'anthropic', input: '3', output: '15', cacheRead: '0.3', cacheWrite: ['3.75', '6'] },
  'claude-sonnet-5-5': { provider: 'anthropic', input: '2', output: '10', cacheRead: '0.1', cacheWrite: ['2.5', '4'] },
  'claude-opus-5-5': { provider: 'anthropic', input: '4', output: '20', cacheRead: '0.2', cacheWrite: ['5', '8'] },
  'gpt-5': { provider: 'openai', input: '1.25', output: '10', cacheRead: '0.125' },
  'gpt-5-mini': { provider: 'openai', input: '0.25', output: '2', cacheRead: '0.025' },
  'gemini-2.5-pro': { provider: 'gemini', input: '1.25', output: '10', cacheRead: '0.125', long: ['2.5', '15'] },
  'gemini-2.5-flash': { provider: 'gemini', input: '0.3', output: '2.5', cacheRead: '0.03' },
};

/**
 * A few prices to begin with, if there are none, so that the first request has a cost. A real price table is uploaded
 * over the API and replaces them.
 */
export async function addFirstPrices(client: ManagementClient): Promise<void> {
  if ((await client.call('model-prices/hasPriceTable')) === true) return;
  await client.call('model-prices/uploadPriceTable', { jsonContent: priceTable() });
}

/** JSON text of the table, in the field names of the public LiteLLM price list. */
export function priceTable(): string {
  return `{${Object.entries(listPrices).map(([model, price]) => `${JSON.stringify(model)}:${row(price)}`).join(',')}}`;
}

/** Written as text: `3e-6` is exactly three millionths, what a division leaves in a double is not. */
function row({ provider, input, output, cacheRead, cacheWrite, long }: ListPrice): string {
  const prices: readonly (readonly [string, string | undefined])[] = [
    ['input_cost_per_token', input],
    ['output_cost_per_token', output],
    ['cache_read_input_token_cost', cacheRead],
    ['cache_creation_input_token_cost', cacheWrite?.[0]],
    ['cache_creation_input_token_cost_above_1hr', cacheWrite?.[1]],
    ['input_cost_per_token_above_200k_tokens', long?.[0]],
    ['output_cost_per_token_above_200k_tokens', long?.[1]],
  ];
  const fields = prices.filter(([, price]) => price !== undefined).map(([field, price]) => `${JSON.stringify(field)}:${price}e-6`);
  return `{"mode":"chat","litellm_provider":${JSON.stringify(provider)},${fields.join(',')}}`;
}
