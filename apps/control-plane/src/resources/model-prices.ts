import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import { change, type Transaction } from '../change.ts';
import type { CallContext } from '../context.ts';
import { Failure } from '../failure.ts';
import * as fields from '../fields.ts';
import type { ModelPrice, Prisma } from '../generated/prisma/client.ts';
import { ignored, noBody, type Operation, operation } from '../operation.ts';

/** The price table is a history: rows are only added, and the newest of a model counts. */

const priceShown = z
  .object({
    id: z.number(),
    modelName: z.string(),
    priceData: z.unknown().meta({ description: "LiteLLM's fields; USD per token" }),
    createdAt: fields.instantText,
    updatedAt: fields.instantText,
  })
  .meta({ id: 'ModelPrice' });

interface NewestPrice {
  readonly id: number;
  readonly model_name: string;
  readonly price_data: unknown;
  readonly created_at: Date | null;
  readonly updated_at: Date | null;
}

async function newestPrices({ database }: CallContext): Promise<NewestPrice[]> {
  const { rows } = await database.pool.query<NewestPrice>(
    `SELECT DISTINCT ON (model_name) id, model_name, price_data, created_at, updated_at
     FROM model_prices ORDER BY model_name, created_at DESC NULLS LAST, id DESC`,
  );
  return rows;
}

async function getModelPrices(context: CallContext): Promise<z.output<typeof priceShown>[]> {
  const prices = await newestPrices(context);
  return prices.map((row) => ({
    id: row.id,
    modelName: row.model_name,
    priceData: row.price_data,
    createdAt: (row.created_at ?? new Date(0)).toISOString(),
    updatedAt: (row.updated_at ?? new Date(0)).toISOString(),
  }));
}

const uploaded = z.object({
  added: z.array(z.string()),
  updated: z.array(z.string()),
  unchanged: z.array(z.string()),
  failed: z.array(z.string()),
  total: z.number(),
});
type Uploaded = z.output<typeof uploaded>;

/** LiteLLM's table explains itself in an entry of this name. */
const explanation = 'sample_spec';

async function uploadPriceTable(context: CallContext, { jsonContent }: { jsonContent: string }): Promise<Uploaded> {
  const entries = Object.entries(readTable(jsonContent)).filter(([name]) => name !== explanation && name.trim() !== '');
  return change(context, async (tx, record) => {
    const newest = await newestByModel(tx);
    const result: Uploaded = { added: [], updated: [], unchanged: [], failed: [], total: entries.length };
    const rows: Prisma.ModelPriceCreateManyInput[] = [];
    for (const [modelName, price] of entries) {
      if (!isPrice(price)) {
        result.failed.push(modelName);
        continue;
      }
      const known = newest.get(modelName);
      if (known !== undefined && isDeepStrictEqual(known.priceData, price)) {
        result.unchanged.push(modelName);
        continue;
      }
      result[known === undefined ? 'added' : 'updated'].push(modelName);
      rows.push({ modelName, priceData: price });
    }
    if (rows.length > 0) {
      await tx.modelPrice.createMany({ data: rows });
      record({ entity: 'price', entityId: null, before: null, after: { added: result.added, updated: result.updated } });
    }
    return result;
  });
}

async function newestByModel(tx: Transaction): Promise<ReadonlyMap<string, ModelPrice>> {
  const rows = await tx.modelPrice.findMany({
    distinct: ['modelName'],
    orderBy: [{ modelName: 'asc' }, { createdAt: { sort: 'desc', nulls: 'last' } }, { id: 'desc' }],
  });
  return new Map(rows.map((row) => [row.modelName, row]));
}

function readTable(text: string): object {
  let table: unknown;
  try {
    table = JSON.parse(text);
  } catch {
    throw new Failure('pricesNotJson');
  }
  if (typeof table !== 'object' || table === null || Array.isArray(table)) throw new Failure('pricesNotObject');
  return table;
}

/** Without a mode it is no price (v0.3.42). */
function isPrice(value: unknown): value is Prisma.InputJsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'mode' in value;
}

async function getAvailableModelsByProviderType(context: CallContext): Promise<string[]> {
  if (!isAdmin(context.caller)) return [];
  const prices = await newestPrices(context);
  return prices
    .filter(({ price_data: price }) => typeof price === 'object' && price !== null && 'mode' in price && price.mode === 'chat')
    .map((row) => row.model_name)
    .sort();
}

async function hasPriceTable({ database }: CallContext): Promise<boolean> {
  return (await database.prisma.modelPrice.findFirst({ select: { id: true } })) !== null;
}

export function priceOperations(): Operation[] {
  const shared = { module: 'model-prices', tag: 'Model prices' } as const;
  const none = { body: noBody, input: ignored };
  const table = z.object({ jsonContent: z.string().meta({ description: 'the text of a JSON object: model → price, as LiteLLM publishes it' }) });
  return [
    operation({
      ...shared,
      ...none,
      action: 'getModelPrices',
      role: 'admin',
      summary: 'The price in force of every model',
      output: z.array(priceShown),
      run: getModelPrices,
    }),
    operation({
      ...shared,
      action: 'uploadPriceTable',
      role: 'admin',
      summary: 'Takes over a price table; what is equal to the price in force is left alone',
      body: table,
      input: table,
      bodyLimit: 20 * 1024 * 1024,
      output: uploaded,
      run: uploadPriceTable,
    }),
    operation({
      ...shared,
      ...none,
      action: 'getAvailableModelsByProviderType',
      role: 'user',
      summary: 'Names of the chat models of the price table; empty for who is no admin',
      output: z.array(z.string()),
      run: getAvailableModelsByProviderType,
    }),
    operation({ ...shared, ...none, action: 'hasPriceTable', role: 'user', summary: 'Whether there is any price', output: z.boolean(), run: hasPriceTable }),
  ];
}
