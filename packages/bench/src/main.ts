import { writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type Flags, readFlags, usage } from './flags.ts';
import { machine } from './proc-stats.ts';
import { profileWorkload } from './profile.ts';
import { describeMachine, type Noise, render, type Report } from './report.ts';
import { type Contestants, fullLoad, type FullLoad, halfLoad, redisRoundTrips, type RoundPlan, warmUp } from './rounds.ts';
import { dataPlaneEntry, openStage, type Proxy, type Stage } from './stage.ts';
import { median } from './statistics.ts';
import { streamMemory } from './streams.ts';
import { missed } from './verdict.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(): Promise<number> {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) {
    say(usage);
    return 0;
  }
  const stage = await openStage(flags);
  try {
    return await (flags.profile === undefined ? compare(stage, flags) : profile(stage, flags, flags.profile));
  } finally {
    await stage.stop();
  }
}

async function profile(stage: Stage, flags: Flags, folder: string): Promise<number> {
  for (const name of flags.workloads) {
    say(`${await profileWorkload(stage, name, { entry: flags.dataPlane ?? dataPlaneEntry, folder, warmMs: 20_000, windowMs: 10_000 })}\n`);
  }
  return 0;
}

async function compare(stage: Stage, flags: Flags): Promise<number> {
  const noise = watchNoise(stage);
  const loads = flags.workloads.length > 0 ? await measureLoads(stage, flags) : { fullLoads: [], halfLoads: [], redisRoundTrips: undefined };
  const streams = flags.streams > 0 ? await measureStreams(stage, flags) : undefined;
  const report: Report = { ...loads, streams, noise: noise() };
  say(`${describeMachine()}\n`);
  say(render(report));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ at: new Date().toISOString(), machine: describeMachine(), ...report }, null, 2)}\n`);
  if (!flags.check) return 0;
  const misses = missed({ ...report, hubStreams: streams?.hub }, flags.bars);
  for (const miss of misses) say(`\nbelow the bar: ${miss}`);
  if (misses.length === 0) say('\neverything reaches its bar');
  return misses.length === 0 ? 0 : 1;
}

async function measureLoads(stage: Stage, flags: Flags): Promise<Pick<Report, 'fullLoads' | 'halfLoads' | 'redisRoundTrips'>> {
  const contestants = await startContestants(stage, flags);
  const plan: RoundPlan = { rounds: flags.rounds, warmMs: 300, windowMs: flags.windowMs };
  progress('warming up');
  for (const proxy of Object.values(contestants)) if (proxy !== undefined) await warmUp(stage, proxy, flags.workloads);
  const fullLoads: FullLoad[] = [];
  const halfLoads = [];
  for (const name of flags.workloads) {
    progress(`${name}: ${plan.rounds} rounds at full load`);
    const load = await fullLoadChecked(stage, contestants, name, { plan, flags });
    fullLoads.push(load);
    if (!flags.latencies) continue;
    const perSecond = median(load.hub.perSecond) / 2;
    progress(`${name}: ${plan.rounds} rounds at half load`);
    halfLoads.push(await halfLoad(stage, contestants, name, { ...plan, perSecond }));
  }
  const roundTrips = await redisRoundTrips(stage, contestants.hub);
  await checkRecords(stage);
  for (const proxy of Object.values(contestants)) await proxy?.stop();
  return { fullLoads, halfLoads, redisRoundTrips: roundTrips };
}

/** What misses its bar is measured once more with three times the rounds: one busy neighbour is no regression. */
async function fullLoadChecked(
  stage: Stage,
  contestants: Contestants,
  name: FullLoad['workload'],
  { plan, flags }: { plan: RoundPlan; flags: Flags },
): Promise<FullLoad> {
  const load = await fullLoad(stage, contestants, name, plan);
  const results = { fullLoads: [load], redisRoundTrips: undefined, hubStreams: undefined };
  if (!flags.check || missed(results, flags.bars).length === 0) return load;
  progress(`${name}: ${load.throughput.median.toFixed(2)} misses its bar; measured again`);
  return fullLoad(stage, contestants, name, { ...plan, rounds: plan.rounds * 3 });
}

async function startContestants(stage: Stage, flags: Flags): Promise<Contestants> {
  return {
    bare: await stage.startBareProxy(),
    hub: await stage.startDataPlane(flags.dataPlane ?? dataPlaneEntry),
    other: flags.against === undefined ? undefined : await stage.startDataPlane(flags.against),
  };
}

/** Fresh processes: heap that the load has left behind would hide what a stream takes. */
async function measureStreams(stage: Stage, flags: Flags): Promise<NonNullable<Report['streams']>> {
  progress(`${flags.streams} open streams`);
  const of = async (proxy: Proxy) => {
    const memory = await streamMemory(stage, proxy, flags.streams);
    await proxy.stop();
      return memory;
  };
  return {
    bare: await of(await stage.startBareProxy()),
    hub: await of(await stage.startDataPlane(flags.dataPlane ?? dataPlaneEntry)),
    other: flags.against === undefined ? undefined : await of(await stage.startDataPlane(flags.against)),
  };
}

/** A comparison counts only if the data plane has done all of its work: every request has its record. */
async function checkRecords(stage: Stage): Promise<void> {
  for (let before = -1; before !== stage.controlPlane.records; ) {
    before = stage.controlPlane.records;
    await wait(1000);
  }
  if (stage.controlPlane.records !== stage.served) {
    throw new Error(`${stage.served} requests were answered and ${stage.controlPlane.records} recorded`);
  }
  if (stage.controlPlane.costNanos === 0) throw new Error('nothing was priced');
}

/** @returns what others have done to the machine since now, once it is called */
function watchNoise(stage: Stage): () => Noise {
  const startedAt = performance.now();
  const before = { ...machine(), oursMs: stage.ourCpuMs() };
  return () => {
    const now = machine();
    const wholeMs = (performance.now() - startedAt) * now.cores;
    const othersMs = now.busyMs - before.busyMs - (stage.ourCpuMs() - before.oursMs);
    return { othersShare: Math.max(0, othersMs) / wholeMs, stolenShare: (now.stolenMs - before.stolenMs) / wholeMs };
  };
}

process.exitCode = await main();
