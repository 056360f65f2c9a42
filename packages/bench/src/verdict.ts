import type { FullLoad } from './rounds.ts';
import type { StreamMemory } from './streams.ts';
import { type WorkloadName, workloadNames } from './workload.ts';

/** What a build must reach. Pure. */
export interface Bars {
  /** Least ratio of requests per second to those of the bare proxy. */
  readonly throughput: Readonly<Partial<Record<WorkloadName, number>>>;
  readonly mostRoundTrips: number;
  readonly mostStreamKilobytes: number;
}

export const defaultBars: Bars = {
  throughput: { 'small-json': 0.45, 'sse-50': 0.75, 'body-400k': 0.6 },
  mostRoundTrips: 2,
  mostStreamKilobytes: 60,
};

export interface Results {
  readonly fullLoads: readonly FullLoad[];
  readonly redisRoundTrips: number | undefined;
  readonly hubStreams: StreamMemory | undefined;
}

/** One heartbeat or one subscription in the middle of a measurement is no round trip of a request. */
const roundTripTolerance = 0.05;

/** @returns what was missed, in words; nothing is missed by what was not measured */
export function missed({ fullLoads, redisRoundTrips, hubStreams }: Results, bars: Bars): string[] {
  const misses = fullLoads.flatMap(({ workload, throughput }) => {
    const least = bars.throughput[workload];
    return least === undefined || throughput.median >= least ? [] : [`${workload}: ${throughput.median.toFixed(2)} of the bare proxy, at least ${least} is asked for`];
  });
  if (redisRoundTrips !== undefined && redisRoundTrips > bars.mostRoundTrips + roundTripTolerance) {
    misses.push(`${redisRoundTrips.toFixed(2)} Redis round trips per request, at most ${bars.mostRoundTrips} are allowed`);
  }
  const kilobytes = hubStreams === undefined ? 0 : hubStreams.perStream / 1024;
  if (kilobytes >= bars.mostStreamKilobytes) misses.push(`${kilobytes.toFixed(1)} KB per open stream, less than ${bars.mostStreamKilobytes} are asked for`);
  return misses;
}

/** Sets one bar from `name=number`. @throws Error if it is none */
export function withBar(bars: Bars, text: string): Bars {
  const [name = '', number = ''] = text.split('=');
  const value = Number(number);
  if (number === '' || !(value >= 0)) throw new Error(`--min ${text}: name=number is expected`);
  if (name === 'round-trips') return { ...bars, mostRoundTrips: value };
  if (name === 'stream-kb') return { ...bars, mostStreamKilobytes: value };
  const workload = workloadNames.find((known) => known === name);
  if (workload === undefined) throw new Error(`--min ${text}: there are ${[...workloadNames, 'round-trips', 'stream-kb'].join(', ')}`);
  return { ...bars, throughput: { ...bars.throughput, [workload]: value } };
}
