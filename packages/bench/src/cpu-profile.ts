/** Where the time of a process went, from a V8 CPU profile. Pure. */

export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  /** From 0. */
  readonly lineNumber: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

export interface Cost {
  readonly name: string;
  /** Shares of all time but idle time: in the function itself, and in it and what it calls. */
  readonly self: number;
  readonly total: number;
}

export interface ProfileSummary {
  readonly idleShare: number;
  readonly functions: readonly Cost[];
  /** By file or package; `total` counts what they call too. */
  readonly places: readonly Cost[];
}

export function summarize(profile: CpuProfile): ProfileSummary {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  const selfTime = new Map<number, number>();
  for (const [index, sample] of profile.samples.entries()) selfTime.set(sample, (selfTime.get(sample) ?? 0) + (profile.timeDeltas[index] ?? 0));
  const functions = new Tally();
  const places = new Tally();
  let idle = 0;
  let busy = 0;
  for (const [id, time] of selfTime) {
    const node = nodes.get(id);
    if (node === undefined) continue;
    if (node.callFrame.functionName === '(idle)') {
      idle += time;
      continue;
    }
    busy += time;
    const stack: CallFrame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = nodes.get(at);
      if (frame !== undefined) stack.push(frame.callFrame);
    }
    functions.add(stack.map(functionName), time);
    places.add(stack.map(placeName), time);
  }
  return { idleShare: idle / (idle + busy), functions: functions.costs(busy), places: places.costs(busy) };
}

/** Sums by name; a name that is on the stack several times counts once. */
export class Tally {
  readonly #self = new Map<string, number>();
  readonly #total = new Map<string, number>();

  /** @param stack innermost first */
  add(stack: readonly string[], time: number): void {
    const [innermost = ''] = stack;
    this.#self.set(innermost, (this.#self.get(innermost) ?? 0) + time);
    for (const name of new Set(stack)) this.#total.set(name, (this.#total.get(name) ?? 0) + time);
  }

  costs(whole: number): Cost[] {
    const all = [...this.#total].map(([name, total]) => ({ name, self: (this.#self.get(name) ?? 0) / whole, total: total / whole }));
    return all.sort((left, right) => right.self - left.self);
  }
}

export function functionName({ functionName: name, url, lineNumber }: CallFrame): string {
  return url === '' ? name || '(anonymous)' : `${name || '(anonymous)'} ${shortUrl(url)}:${lineNumber + 1}`;
}

function placeName({ functionName: name, url }: CallFrame): string {
  if (url === '') return name.startsWith('(') ? name : '(built into V8)';
  const ofPackage = /node_modules\/(?:\.pnpm\/[^/]+\/node_modules\/)?((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  return ofPackage ?? shortUrl(url);
}

function shortUrl(url: string): string {
  return url.replace(/^file:\/\//, '').replace(/^.*\/(?:apps|packages)\/([^/]+)\/dist\//, '$1/').replace(/^.*\/node_modules\//, '');
}
