import { status } from '@grpc/grpc-js';
import { type Handlers, type LimitsService, RpcError, type WarmQuery } from '@hub/contract';
import { type Spending, subjectOf } from './spent.ts';

/** Queries of one call, and how many of them run at a time so that they leave database connections to others. */
const mostQueries = 1_000;
const concurrency = 3;

/** Tells the data planes what the database knows of past spending. */
export function limitsHandlers(spending: Spending): Handlers<typeof LimitsService> {
  return {
    async warm({ queries }) {
      if (queries.length > mostQueries) throw new RpcError(status.INVALID_ARGUMENT, `at most ${mostQueries} queries at once`);
      return { answers: await inParallel(queries, (query) => answer(spending, query)) };
    },
  };
}

async function answer(spending: Spending, { kind, id, sinceMs, bucketMs }: WarmQuery) {
  const subject = subjectOf(kind, id);
  if (subject === undefined) throw new RpcError(status.INVALID_ARGUMENT, `unknown kind of subject ${kind}`);
  if (sinceMs < 0n || bucketMs < 0n) throw new RpcError(status.INVALID_ARGUMENT, 'times cannot be negative');
  if (bucketMs === 0n) return { totalNanos: await spending.total(subject, Number(sinceMs)), buckets: [] };
  const buckets = await spending.buckets(subject, Number(sinceMs), Number(bucketMs));
  return {
    totalNanos: buckets.reduce((sum, bucket) => sum + bucket.nanos, 0n),
    buckets: buckets.map(({ startMs, nanos }) => ({ startMs: BigInt(startMs), nanos })),
  };
}

/** Results in the order of the items. */
async function inParallel<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
}
