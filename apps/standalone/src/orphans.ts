import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { DataFolder } from './data-folder.ts';
import type { Terminal } from './terminal.ts';

/** A process of ours, as noted in the data folder. */
export interface ProcessNote {
  readonly pid: number;
  /** Path of its main file. */
  readonly script: string;
}

const file = 'processes.json';
/** Processes whose launcher is gone end by themselves; this is how long they get. */
const patienceMs = 5_000;
const lookEveryMs = 50;

export function noteProcesses(folder: DataFolder, processes: readonly ProcessNote[]): void {
  folder.write(file, processes);
}

/**
 * After a launcher was killed its processes may still be about to end, and hold their ports. Waits for those that were
 * noted, and ends those that do not end by themselves. Only called by the holder of the folder's lock, so that they are
 * nobody else's.
 */
export async function endOrphans(folder: DataFolder, terminal: Terminal, endsWithinMs = patienceMs): Promise<void> {
  const noted = folder.read(file);
  const orphans = (Array.isArray(noted) ? noted : []).filter(isNote).filter(isRunning);
  if (orphans.length === 0) return;
  terminal.note(`waiting for processes of the last run to end (${orphans.map(({ pid }) => pid).join(', ')})`);
  for (let waited = 0; orphans.some(isRunning) && waited < endsWithinMs; waited += lookEveryMs) await pause(lookEveryMs);
  for (const orphan of orphans.filter(isRunning)) process.kill(orphan.pid, 'SIGKILL');
  while (orphans.some(isRunning)) await pause(lookEveryMs);
}

function isNote(value: unknown): value is ProcessNote {
  const { pid, script } = (value ?? {}) as Partial<ProcessNote>;
  return typeof pid === 'number' && pid > 1 && typeof script === 'string';
}

/** Whether that very process still runs: the number may long be another program's. */
function isRunning({ pid, script }: ProcessNote): boolean {
  return commandLine(pid).includes(script);
}

/** Empty if there is no such process, or if it has ended and only waits for its parent to notice. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    if (process.platform === 'linux' || process.platform === 'win32') return '';
    return spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout ?? '';
  }
}
