import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Cost, type CpuProfile, summarize } from './cpu-profile.ts';
import type { Stage } from './stage.ts';
import { type WorkloadName, workloads } from './workload.ts';

/** CPU profiles of the data plane at full load, one process and one file per workload. */

const warmMs = 3000;
const loadMs = 10_000;
/** Between samples. Microseconds. */
const sampleEvery = 250;
const functionsShown = 45;
const placesShown = 30;

/** @returns the summary; the profile itself is `<folder>/<workload>.cpuprofile`, for Chrome's or an editor's viewer */
export async function profileWorkload(stage: Stage, entry: string, name: WorkloadName, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const file = `${name}.cpuprofile`;
  const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${file}`, `--cpu-prof-interval=${sampleEvery}`];
  const hub = await stage.startDataPlane(entry, nodeOptions);
  const target = { port: hub.port, pid: hub.pid };
  const measured = await stage.run({ kind: 'saturate', target, workload: name, warmMs, windowMs: loadMs, concurrency: workloads[name].concurrency });
  if (measured.failures > 0) throw new Error(`${measured.failures} answers were wrong or missing`);
  await wait(500);
  await hub.stop();
  const { idleShare, functions, places } = summarize(JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile);
  const cpu = ((measured.cpuMs / measured.requests) * 1000).toFixed(0);
  return [
    `## ${workloads[name].title}: ${cpu} ms of processor time per 1,000 requests with the profiler on, ${(idleShare * 100).toFixed(0)} % idle`,
    ...costLines('self  total  function', functions.slice(0, functionsShown)),
    ...costLines('self  total  place', places.slice(0, placesShown)),
  ].join('\n');
}

function costLines(head: string, costs: readonly Cost[]): string[] {
  const share = (value: number): string => `${(value * 100).toFixed(1).padStart(4)} %`;
  return ['', head, ...costs.map(({ name, self, total }) => `${share(self)} ${share(total)}  ${name}`)];
}
