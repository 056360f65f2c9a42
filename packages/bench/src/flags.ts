import { parseArgs } from 'node:util';
import { type Bars, defaultBars, withBar } from './verdict.ts';
import { type WorkloadName, workloadNames } from './workload.ts';

export const usage = `Compares the data plane, with everything switched on, with a bare proxy on the same machine in the same run.

  --quick             fewer and shorter rounds, no latencies; status 1 below the bars
  --only <names>      comma list of ${workloadNames.join(', ')}, streams
  --rounds <n>        rounds per workload (15, quick 5)
  --window <ms>       length of one measurement (2000, quick 1000)
  --streams <n>       open streams for the memory of one (2000)
  --check             status 1 below the bars, without --quick
  --min <name=n>      sets a bar; the names of --only, round-trips (most), stream-kb (most); repeatable
  --json <file>       writes every number there
  --against <file>    main.js of another build of the data plane: a third contestant
  --data-plane <file> main.js of the build under test (apps/data-plane/dist/main.js)
  --hard-budgets      budgetEnforcement hard instead of soft
  --profile <folder>  no comparison: where the data plane's time and allocations go under full load; profiles in there
  --no-pin            leaves the processes to the kernel's scheduler
`;

export interface Flags {
  readonly help: boolean;
  readonly workloads: readonly WorkloadName[];
  readonly streams: number;
  readonly rounds: number;
  readonly windowMs: number;
  readonly latencies: boolean;
  readonly check: boolean;
  readonly bars: Bars;
  readonly json: string | undefined;
  readonly against: string | undefined;
  readonly dataPlane: string | undefined;
  readonly hardBudgets: boolean;
  readonly profile: string | undefined;
  readonly pin: boolean;
}

const options = {
  help: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  only: { type: 'string' },
  rounds: { type: 'string' },
  window: { type: 'string' },
  streams: { type: 'string', default: '2000' },
  check: { type: 'boolean', default: false },
  min: { type: 'string', multiple: true },
  json: { type: 'string' },
  against: { type: 'string' },
  'data-plane': { type: 'string' },
  'hard-budgets': { type: 'boolean', default: false },
  profile: { type: 'string' },
  'no-pin': { type: 'boolean', default: false },
} as const;

const quickWorkloads: readonly WorkloadName[] = ['small-json', 'sse-50', 'body-400k'];

/** @throws Error that says which flag is wrong */
export function readFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({ args: [...args], options, strict: true });
  const { quick } = values;
  const parts = partsOf(values.only, quick);
  return {
    help: values.help,
    workloads: parts.workloads,
    streams: parts.streams ? positive('streams', values.streams) : 0,
    rounds: positive('rounds', values.rounds ?? (quick ? '5' : '15')),
    windowMs: positive('window', values.window ?? (quick ? '1000' : '2000')),
    latencies: !quick,
    check: quick || values.check,
    bars: (values.min ?? []).reduce(withBar, defaultBars),
    json: values.json,
    against: values.against,
    dataPlane: values['data-plane'],
    hardBudgets: values['hard-budgets'],
    profile: values.profile,
    pin: !values['no-pin'],
  };
}

function partsOf(only: string | undefined, quick: boolean): { workloads: readonly WorkloadName[]; streams: boolean } {
  if (only === undefined) return { workloads: quick ? quickWorkloads : workloadNames, streams: true };
  const names = only.split(',').map((name) => name.trim());
  const unknown = names.find((name) => name !== 'streams' && !workloadNames.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${workloadNames.join(', ')} and streams`);
  return { workloads: workloadNames.filter((name) => names.includes(name)), streams: names.includes('streams') };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`--${name} ${text}: a whole number above 0 is expected`);
  return value;
}
