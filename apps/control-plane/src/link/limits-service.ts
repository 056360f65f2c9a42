import { status } from '@grpc/grpc-js';
import { type Handlers, type LimitsService, RpcError, type WarmQuery } from '@hub/contract';
import { type RecentRow, type Spending, type Subject, subjectOf } from './spent.ts';

/** Queries of one call, and how many of them run at a time so that they leave database connections to others. */
const mostQueries = 1_000;
const concurrency = 3;

/** Tells the data planes what the database knows of past spending. */
export function limitsHandlers(spending: Spending): Handlers<typeof LimitsService> {
  return {
    async warm({ queries, recentSinceMs }) {
      if (queries.length > mostQueries) throw new RpcError(status.INVALID_ARGUMENT, `at most ${mostQueries} queries at once`);
      if (recentSinceMs === undefined) return { answers: await inParallel(queries, (query) => answer(spending, query)) };
      return spending.consistently((one) => withoutRecent(one, queries, Number(recentSinceMs)));
    },
  };
}

/** Sums without the rows of the last minutes, and those rows one by one: all of one subject, on one state of the database. */
async function withoutRecent(spending: Spending, queries: readonly WarmQuery[], recentSinceMs: number) {
  const [first] = queries;
  if (first === undefined) return { answers: [], recent: [] };
  if (queries.some(({ kind, id }) => kind !== first.kind || id !== first.id)) {
    throw new RpcError(status.INVALID_ARGUMENT, 'with recent_since_ms all queries must be of one subject');
  }
  const recent = await spending.recent(subjectIn(first), recentSinceMs);
  const answers: Answer[] = [];
  for (const query of queries) answers.push(subtract(await answer(spending, query), query, recent));
  return {
    answers,
    recent: recent.map(({ recordId, nanos, startedMs }) => ({ recordId, nanos, startedAtMs: BigInt(startedMs) })),
  };
}

interface Answer {
  readonly totalNanos: bigint;
  readonly buckets: { readonly startMs: bigint; readonly nanos: bigint }[];
}

function subtract({ totalNanos, buckets }: Answer, { sinceMs, bucketMs }: WarmQuery, recent: readonly RecentRow[]): Answer {
  const inside = recent.filter((row) => row.startedMs >= Number(sinceMs));
  const bucketOf = (row: RecentRow): bigint => (BigInt(row.startedMs) / bucketMs) * bucketMs;
  const sum = (rows: readonly RecentRow[]): bigint => rows.reduce((total, row) => total + row.nanos, 0n);
  return {
    totalNanos: totalNanos - sum(inside),
    buckets: buckets.map(({ startMs, nanos }) => ({ startMs, nanos: nanos - sum(inside.filter((row) => bucketOf(row) === startMs)) })),
  };
}

async function answer(spending: Spending, query: WarmQuery): Promise<Answer> {
  const { sinceMs, bucketMs } = query;
  const subject = subjectIn(query);
  if (sinceMs < 0n || bucketMs < 0n) throw new RpcError(status.INVALID_ARGUMENT, 'times cannot be negative');
  if (bucketMs === 0n) return { totalNanos: await spending.total(subject, Number(sinceMs)), buckets: [] };
  const buckets = await spending.buckets(subject, Number(sinceMs), Number(bucketMs));
  return {
    totalNanos: buckets.reduce((sum, bucket) => sum + bucket.nanos, 0n),
    buckets: buckets.map(({ startMs, nanos }) => ({ startMs: BigInt(startMs), nanos })),
  };
}

function subjectIn({ kind, id }: WarmQuery): Subject {
  const subject = subjectOf(kind, id);
  if (subject === undefined) throw new RpcError(status.INVALID_ARGUMENT, `unknown kind of subject ${kind}`);
  return subject;
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
