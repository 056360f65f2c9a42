import type { Job, Measured } from './load/job.ts';
import { redisDifference, type RedisWork } from './redis-stats.ts';
import type { Proxy, Stage } from './stage.ts';
import { differences, median, ratios, type Spread, spreadOf } from './statistics.ts';
import { type WorkloadName, workloads } from './workload.ts';

/**
 * Measurements in turns: each round drives every proxy for a short time, in alternating order, so that what else the
 * machine does hits all of them alike; what is compared is always one round's numbers with the same round's.
 */

export interface Contestants {
  readonly bare: Proxy;
  readonly hub: Proxy;
  /** Another build of the data plane, to see what a change has done. */
  readonly other: Proxy | undefined;
}

export interface RoundPlan {
  readonly rounds: number;
  readonly warmMs: number;
  readonly windowMs: number;
}

/** What one proxy did at full load, one element per round. */
export interface Series {
  readonly perSecond: readonly number[];
  /** ms per 1,000 requests */
  readonly cpu: readonly number[];
  /** Share of the window in which the process had a processor. */
  readonly busy: readonly number[];
  readonly peakBytes: readonly number[];
}

export interface FullLoad {
  readonly workload: WorkloadName;
  readonly bare: Series;
  readonly hub: Series;
  readonly other: Series | undefined;
  /** hub ÷ bare, by requests per second. */
  readonly throughput: Spread;
  /** bare ÷ hub, by processor time per request: the same question, asked of the kernel. */
  readonly capacity: Spread;
  /** hub ÷ other and other ÷ hub, likewise. */
  readonly against: { readonly throughput: Spread; readonly capacity: Spread } | undefined;
  /** Per request of the hub. */
  readonly redisScripts: number;
  readonly redisCpuMs: number;
}

/** A number of rounds at full load. @throws Error if an answer was wrong */
export async function fullLoad(stage: Stage, { bare, hub, other }: Contestants, name: WorkloadName, plan: RoundPlan): Promise<FullLoad> {
  const { concurrency } = workloads[name];
  const saturate = async (target: Proxy): Promise<Measured> => {
    const { warmMs, windowMs } = plan;
    return checked(await stage.run({ kind: 'saturate', target: plain(target), workload: name, concurrency, warmMs, windowMs }));
  };
  const taken: Record<'bare' | 'hub' | 'other', Measured[]> = { bare: [], hub: [], other: [] };
  const redis: { work: RedisWork; requests: number }[] = [];
  const turns = {
    bare: async () => taken.bare.push(await saturate(bare)),
    hub: async () => {
      const before = await stage.redis.work();
      const measured = await saturate(hub);
      taken.hub.push(measured);
      redis.push({ work: redisDifference(before, await stage.redis.work()), requests: measured.all });
    },
    other: async () => other !== undefined && taken.other.push(await saturate(other)),
  };
  for (let round = 0; round < plan.rounds; round++) {
    const order = [turns.bare, turns.hub, turns.other];
    for (const turn of round % 2 === 0 ? order : order.toReversed()) await turn();
  }
  const series = { bare: seriesOf(taken.bare), hub: seriesOf(taken.hub), other: seriesOf(taken.other) };
  const compare = (left: Series, right: Series) => ({
    throughput: spreadOf(ratios(left.perSecond, right.perSecond)),
    capacity: spreadOf(ratios(right.cpu, left.cpu)),
  });
  return {
    workload: name,
    bare: series.bare,
    hub: series.hub,
    other: other === undefined ? undefined : series.other,
    ...compare(series.hub, series.bare),
    against: other === undefined ? undefined : compare(series.hub, series.other),
    redisScripts: median(redis.map(({ work, requests }) => work.scripts / requests)),
    redisCpuMs: median(redis.map(({ work, requests }) => (work.cpuMs / requests) * 1000)),
  };
}

/** Until the compiler has seen all it will see of a proxy: so many requests, one workload after the other. */
const warmRequests = 6000;

export async function warmUp(stage: Stage, proxy: Proxy, names: readonly WorkloadName[]): Promise<void> {
  for (const name of names) {
    const job = { kind: 'saturate', target: plain(proxy), workload: name, concurrency: workloads[name].concurrency, warmMs: 0, windowMs: 1000 } as const;
    for (let served = 0, turns = 0; served < warmRequests && turns < 15; turns++) served += checked(await stage.run(job)).all;
  }
}

function seriesOf(taken: readonly Measured[]): Series {
  return {
    perSecond: taken.map(({ requests, windowMs }) => (requests / windowMs) * 1000),
    cpu: taken.map(({ cpuMs, requests }) => (cpuMs / requests) * 1000),
    busy: taken.map(({ cpuMs, windowMs }) => cpuMs / windowMs),
    peakBytes: taken.map(({ peakBytes }) => peakBytes),
  };
}

export interface Added {
  /** ms more than without a proxy */
  readonly p50: Spread;
  readonly p99: Spread;
}

export interface HalfLoad {
  readonly workload: WorkloadName;
  readonly perSecond: number;
  readonly bare: Added;
  readonly hub: Added;
  /** hub ÷ bare, of the whole latency. */
  readonly p50Ratio: Spread;
  readonly p99Ratio: Spread;
  /** Arrivals that could not be sent in time. */
  readonly late: number;
}

/** Latency at a constant rate of arrivals, half of what the hub can bear; the upstream itself is the third contestant. */
export async function halfLoad(stage: Stage, { bare, hub }: Contestants, name: WorkloadName, plan: RoundPlan & { perSecond: number }): Promise<HalfLoad> {
  const { perSecond, warmMs, windowMs } = plan;
  const taken: Record<'direct' | 'bare' | 'hub', Measured[]> = { direct: [], bare: [], hub: [] };
  const arrive = async (job: Pick<Job & { kind: 'arrivals' }, 'target'>, into: Measured[]): Promise<void> => {
    into.push(checked(await stage.run({ kind: 'arrivals', ...job, workload: name, perSecond, warmMs, windowMs })));
  };
  for (let round = 0; round < plan.rounds; round++) {
    const order = [
      () => arrive({ target: stage.upstream }, taken.direct),
      () => arrive({ target: plain(bare) }, taken.bare),
      () => arrive({ target: plain(hub) }, taken.hub),
    ];
    for (const turn of round % 2 === 0 ? order : order.toReversed()) await turn();
  }
  const of = (list: readonly Measured[], field: 'p50' | 'p99') => list.map((measured) => measured[field]);
  const added = (list: readonly Measured[]): Added => ({
    p50: spreadOf(differences(of(list, 'p50'), of(taken.direct, 'p50'))),
    p99: spreadOf(differences(of(list, 'p99'), of(taken.direct, 'p99'))),
  });
  return {
    workload: name,
    perSecond,
    bare: added(taken.bare),
    hub: added(taken.hub),
    p50Ratio: spreadOf(ratios(of(taken.hub, 'p50'), of(taken.bare, 'p50'))),
    p99Ratio: spreadOf(ratios(of(taken.hub, 'p99'), of(taken.bare, 'p99'))),
    late: [...taken.direct, ...taken.bare, ...taken.hub].reduce((sum, { late }) => sum + late, 0),
  };
}

const sequenceRequests = 400;

/** Redis round trips of a request that comes alone: under load, requests share them. */
export async function redisRoundTrips(stage: Stage, hub: Proxy): Promise<number> {
  const before = await stage.redis.work();
  const measured = checked(await stage.run({ kind: 'sequence', target: plain(hub), workload: 'small-json', count: sequenceRequests }));
  const { reads } = redisDifference(before, await stage.redis.work());
  return reads / measured.all;
}

/** A number that comes from wrong answers is no number. */
function checked(measured: Measured): Measured {
  if (measured.failures > 0) throw new Error(`${measured.failures} of ${measured.failures + measured.all} answers were wrong or missing`);
  if (measured.requests === 0) throw new Error('not one answer came within the window');
  return measured;
}

/** What the load generator needs of a proxy: only plain data crosses to it. */
function plain({ port, pid }: Proxy): { port: number; pid: number } {
  return { port, pid };
}
