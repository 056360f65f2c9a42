import { setTimeout as wait } from 'node:timers/promises';
import { memoryOf } from './proc-stats.ts';
import type { Proxy, Stage } from './stage.ts';
import { median } from './statistics.ts';

/** Memory of a process with many open streams, per stream. */
export interface StreamMemory {
  readonly streams: number;
  /** Bytes. */
  readonly perStream: number;
  readonly residentBefore: number;
  readonly residentWith: number;
}

/** Time in which what start-up and warming up have left is given back. */
const settleMs = 2000;
const samples = 10;
const sampleEveryMs = 300;

/**
 * On a process that has only been warmed up: heap that earlier load had left behind would be used again and not be seen.
 * Garbage that is not collected yet counts, as it does on a real machine.
 */
export async function streamMemory(stage: Stage, proxy: Proxy, streams: number): Promise<StreamMemory> {
  const target = { port: proxy.port, pid: proxy.pid };
  await stage.run({ kind: 'sequence', target, workload: 'sse-50', count: 200 });
  await wait(settleMs);
  const residentBefore = await resident(proxy.pid);
  const { failures } = await stage.run({ kind: 'open', target, count: streams });
  if (failures > 0) throw new Error(`${failures} of ${streams} streams did not open`);
  await wait(settleMs);
  const residentWith = await resident(proxy.pid);
  await stage.run({ kind: 'close' });
  return { streams, perStream: (residentWith - residentBefore) / streams, residentBefore, residentWith };
}

async function resident(pid: number): Promise<number> {
  const taken: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    taken.push(memoryOf(pid).resident);
    await wait(sampleEveryMs);
  }
  return median(taken);
}
