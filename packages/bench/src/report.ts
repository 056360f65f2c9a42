import { cpus, release } from 'node:os';
import type { Added, FullLoad, HalfLoad } from './rounds.ts';
import { median, type Spread } from './statistics.ts';
import type { StreamMemory } from './streams.ts';
import { workloads } from './workload.ts';

/** The results as text. Pure but for the name of the machine. */

export interface Noise {
  /** Processor time of others, as a share of the whole machine. */
  readonly othersShare: number;
  readonly stolenShare: number;
}

export interface Report {
  readonly fullLoads: readonly FullLoad[];
  readonly halfLoads: readonly HalfLoad[];
  readonly redisRoundTrips: number | undefined;
  readonly streams: { readonly bare: StreamMemory; readonly hub: StreamMemory; readonly other: StreamMemory | undefined } | undefined;
  readonly noise: Noise;
}

export function describeMachine(): string {
  const [first] = cpus();
  return `${first?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Linux ${release()}, Node.js ${process.version}`;
}

export function render({ fullLoads, halfLoads, redisRoundTrips, streams, noise }: Report): string {
  const sections = [
    fullLoads.length > 0 ? fullLoadSection(fullLoads) : undefined,
    fullLoads.some(({ against }) => against !== undefined) ? againstSection(fullLoads) : undefined,
    halfLoads.length > 0 ? halfLoadSection(halfLoads) : undefined,
    redisRoundTrips === undefined ? undefined : `Redis round trips of a request that comes alone: ${redisRoundTrips.toFixed(2)}`,
    streams === undefined ? undefined : streamSection(streams),
    noiseLine(fullLoads, noise),
  ];
  return sections.filter((section) => section !== undefined).join('\n\n');
}

function fullLoadSection(fullLoads: readonly FullLoad[]): string {
  const rows = fullLoads.map(({ workload, throughput, capacity, bare, hub, redisScripts, redisCpuMs }) => [
    workloads[workload].title,
    ratio(throughput),
    percent(throughput.noisePercent),
    ratio(capacity),
    percent(capacity.noisePercent),
    `${percent(median(bare.busy) * 100)} / ${percent(median(hub.busy) * 100)}`,
    `${(median(hub.cpu) / median(bare.cpu)).toFixed(2)}`,
    `${megabytes(bare.peakBytes)} / ${megabytes(hub.peakBytes)}`,
    redisScripts.toFixed(1),
    redisCpuMs.toFixed(0),
  ]);
  const head = ['full load', 'req/s hub÷bare', 'noise', 'by CPU bare÷hub', 'noise', 'busy bare/hub', 'CPU per 1,000 hub÷bare', 'peak MB bare/hub', 'scripts/req', 'Redis ms/1,000'];
  return table([head, ...rows]);
}

function againstSection(fullLoads: readonly FullLoad[]): string {
  const rows = fullLoads.flatMap(({ workload, against, other, bare }) =>
    against === undefined || other === undefined
      ? []
      : [
          [
            workloads[workload].title,
            ratio(against.throughput),
            percent(against.throughput.noisePercent),
            ratio(against.capacity),
            percent(against.capacity.noisePercent),
            (median(bare.cpu) / median(other.cpu)).toFixed(3),
          ],
        ],
  );
  return table([['this build ÷ the other', 'req/s', 'noise', 'by CPU', 'noise', 'the other by CPU bare÷other'], ...rows]);
}

function halfLoadSection(halfLoads: readonly HalfLoad[]): string {
  const added = (one: Added, field: 'p50' | 'p99'): string => one[field].median.toFixed(2);
  const rows = halfLoads.map(({ workload, p50Ratio, p99Ratio, bare, hub, late }) => [
    workloads[workload].title,
    ratio(p50Ratio),
    percent(p50Ratio.noisePercent),
    ratio(p99Ratio),
    percent(p99Ratio.noisePercent),
    `${added(bare, 'p50')} / ${added(hub, 'p50')}`,
    `${added(bare, 'p99')} / ${added(hub, 'p99')}`,
    String(late),
  ]);
  const head = ['half load', 'p50 hub÷bare', 'noise', 'p99 hub÷bare', 'noise', 'added p50 ms bare/hub', 'added p99 ms bare/hub', 'late'];
  return table([head, ...rows]);
}

function streamSection({ bare, hub, other }: NonNullable<Report['streams']>): string {
  const kilobytes = ({ perStream }: StreamMemory): string => (perStream / 1024).toFixed(1);
  const third = other === undefined ? '' : `, other build ${kilobytes(other)} KB`;
  return `${hub.streams} open streams: KB per stream bare ${kilobytes(bare)}, hub ${kilobytes(hub)} (÷ bare ${(hub.perStream / bare.perStream).toFixed(2)})${third}`;
}

function noiseLine(fullLoads: readonly FullLoad[], { othersShare, stolenShare }: Noise): string {
  const rounds = fullLoads[0]?.hub.perSecond.length;
  const medians = rounds === undefined ? '' : `Medians of ${rounds} rounds in turns; noise: distance of the quartiles in per cent of the median. `;
  return `${medians}Others used ${percent(othersShare * 100)} of the machine meanwhile, ${percent(stolenShare * 100)} was stolen by its host.`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line)].join('\n');
}

function ratio({ median: middle }: Spread): string {
  return middle.toFixed(2);
}

function percent(value: number): string {
  return `${value.toFixed(0)} %`;
}

function megabytes(bytes: readonly number[]): string {
  return (median(bytes) / 1024 / 1024).toFixed(0);
}
