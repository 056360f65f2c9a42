import { type CallFrame, type Cost, functionName, Tally } from './cpu-profile.ts';

/** What was allocated where, from V8's sampling heap profile. Pure. */

export interface AllocationProfile {
  readonly head: AllocationNode;
}

interface AllocationNode {
  readonly callFrame: CallFrame;
  /** Bytes. */
  readonly selfSize: number;
  readonly children: readonly AllocationNode[];
}

export function allocations({ head }: AllocationProfile): { readonly bytes: number; readonly functions: readonly Cost[] } {
  const functions = new Tally();
  let bytes = 0;
  const walk = (node: AllocationNode, callers: readonly string[]): void => {
    const stack = [functionName(node.callFrame), ...callers];
    if (node.selfSize > 0) functions.add(stack, node.selfSize);
    bytes += node.selfSize;
    for (const child of node.children) walk(child, stack);
  };
  walk(head, []);
  return { bytes, functions: functions.costs(bytes) };
}
