import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AllocationProfile, allocations } from './allocation-profile.ts';
import { type Cost, type CpuProfile, summarize } from './cpu-profile.ts';
import { inspect } from './inspector.ts';
import type { Stage } from './stage.ts';
import { type WorkloadName, workloads } from './workload.ts';

/** Where the data plane's time and allocations go at full load, once its code is compiled. */

export interface ProfileOptions {
  readonly entry: string;
  readonly folder: string;
  /** ms of load before the profile, and in it. */
  readonly warmMs: number;
  readonly windowMs: number;
}

/** Between two looks at the stack, in microseconds; between two noted allocations, in bytes. */
const sampleEveryMicroseconds = 200;
const sampleEveryBytes = 16 * 1024;
const functionsShown = 60;
const placesShown = 30;

/** @returns the summary; the profiles are `<folder>/<workload>.cpuprofile` and `.heapprofile`, for the viewers of Chrome or an editor */
export async function profileWorkload(stage: Stage, name: WorkloadName, { entry, folder, warmMs, windowMs }: ProfileOptions): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const { proxy, debuggerUrl } = await stage.startInspectedDataPlane(entry);
  const inspector = await inspect(debuggerUrl);
  const load = async (ms: number) => {
    const target = { port: proxy.port, pid: proxy.pid };
    const measured = await stage.run({ kind: 'saturate', target, workload: name, warmMs: 0, windowMs: ms, concurrency: workloads[name].concurrency });
    if (measured.failures > 0) throw new Error(`${measured.failures} answers were wrong or missing`);
    return measured;
  };
  await load(warmMs);
  await inspector.ask('Profiler.enable');
  await inspector.ask('Profiler.setSamplingInterval', { interval: sampleEveryMicroseconds });
  await inspector.ask('Profiler.start');
  const measured = await load(windowMs);
  const { profile } = (await inspector.ask('Profiler.stop')) as { profile: CpuProfile };
  await inspector.ask('HeapProfiler.startSampling', { samplingInterval: sampleEveryBytes, includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true });
  const allocating = await load(windowMs / 2);
  const { profile: heap } = (await inspector.ask('HeapProfiler.stopSampling')) as { profile: AllocationProfile };
  inspector.close();
  await proxy.stop();
  writeFileSync(join(folder, `${name}.cpuprofile`), JSON.stringify(profile));
  writeFileSync(join(folder, `${name}.heapprofile`), JSON.stringify(heap));
  const { idleShare, functions, places } = summarize(profile);
  const cpu = ((measured.cpuMs / measured.requests) * 1000).toFixed(0);
  const allocated = allocations(heap);
  const kilobytes = allocated.bytes / 1024 / allocating.all;
  return [
    `## ${workloads[name].title}: ${cpu} ms of processor time per 1,000 requests with the profiler on, ${(idleShare * 100).toFixed(0)} % idle; ${kilobytes.toFixed(0)} KB allocated per request`,
    ...costLines('time in the function itself, with what it calls', functions.slice(0, functionsShown)),
    ...costLines('the same by file or package', places.slice(0, placesShown)),
    ...costLines('allocated bytes by function', allocated.functions.slice(0, placesShown)),
  ].join('\n');
}

function costLines(head: string, costs: readonly Cost[]): string[] {
  const share = (value: number): string => `${(value * 100).toFixed(1).padStart(4)} %`;
  return ['', head, ...costs.map(({ name, self, total }) => `${share(self)} ${share(total)}  ${name}`)];
}
