import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Announcement } from '@hub/service';
import { childEnvironment, searchPath } from './env.ts';

/** Processes of the bench, each on its core. */

export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  readonly port: number;
  /** SIGTERM, then SIGKILL after `graceMs`; settles when it is gone. */
  stop(graceMs?: number): Promise<void>;
}

export interface ChildOptions {
  /** For messages. */
  readonly name: string;
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  /** undefined = wherever the kernel likes. */
  readonly core: number | undefined;
  /** For node itself. */
  readonly nodeOptions?: readonly string[];
  /** Hears every line that the process prints. */
  readonly onLine?: (line: string) => void;
}

const startMs = 60_000;

/** Starts a Node.js program that announces its port. Rejects with its own last words if it does not come to that. */
export async function startChild({ name, entry, env, core, nodeOptions = [], onLine }: ChildOptions): Promise<Child> {
  const pinned = core === undefined ? undefined : findProgram('taskset');
  const program = pinned === undefined ? {} : { execPath: pinned };
  const before = pinned === undefined ? [] : ['-c', String(core), process.execPath];
  const child = fork(entry, [], { ...program, execArgv: [...before, ...nodeOptions], env: childEnvironment(env), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const port = await announcedPort(name, child, onLine);
  return { pid: child.pid ?? 0, process: child, port, stop: stopper(child) };
}

function announcedPort(name: string, child: ChildProcess, onLine: ((line: string) => void) | undefined): Promise<number> {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      onLine?.(line);
      lines.push(line);
      if (lines.length > 20) lines.shift();
      // A data plane that complains measures something else than it should.
      if (/"level":[456]0/.test(line)) process.stderr.write(`${name}: ${line}\n`);
    });
  }
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`${name} ${reason}\n${lines.join('\n')}`));
    };
    const timer = setTimeout(() => fail(`was not ready after ${startMs} ms`), startMs);
    child.on('message', (message: Announcement) => {
      if (message.type === 'failed') return fail(`did not start: ${message.message}`);
      if (message.type !== 'ready') return;
      clearTimeout(timer);
      resolve(message.ports['http'] ?? 0);
    });
    child.once('close', (code, signal) => fail(`ended (${signal ?? code}) before it was ready`));
  });
}

function stopper(child: ChildProcess): (graceMs?: number) => Promise<void> {
  endWithUs(child);
  return async (graceMs = 15_000) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const hard = setTimeout(() => child.kill('SIGKILL'), graceMs);
    child.kill('SIGTERM');
    await gone;
    clearTimeout(hard);
  };
}

/** A redis-server of our own, nothing on disk. */
export async function startRedisServer(port: number, core: number | undefined): Promise<Child> {
  const program = findProgram('redis-server');
  if (program === undefined) throw new Error('redis-server is not installed (apt-get install redis-server)');
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const pinned = core === undefined ? undefined : findProgram('taskset');
  const child =
    pinned === undefined
      ? spawn(program, args, { env: childEnvironment({}), stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn(pinned, ['-c', String(core), program, ...args], { env: childEnvironment({}), stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Ready to accept connections')) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
  });
  return { pid: child.pid ?? 0, process: child, port, stop: stopper(child) };
}

/** Puts this very process on a core. */
export function pinSelf(core: number): void {
  const pinned = findProgram('taskset');
  if (pinned !== undefined) spawnSync(pinned, ['-acp', String(core), String(process.pid)]);
}

const priority = -5;

/**
 * Puts all processes of the bench above the neighbours of a shared machine, where we are allowed to: only root may, and
 * without it a run is noisier, not wrong. Where the kernel groups processes by session, the priority of a process counts
 * only within its session, so the session's is raised, until the end.
 */
export function raisePriority(): void {
  try {
    setPriority(process.pid, priority);
    const before = /nice (-?\d+)/.exec(readFileSync(sessionPriority, 'utf8'))?.[1] ?? '0';
    writeFileSync(sessionPriority, String(priority));
    process.once('exit', () => writeFileSync(sessionPriority, before));
  } catch {
    // As said above.
  }
}

const sessionPriority = '/proc/self/autogroup';

function findProgram(name: string): string | undefined {
  return searchPath()
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const running = new Set<ChildProcess>();

/** Kills what is left should this process end first. */
function endWithUs(child: ChildProcess): void {
  if (running.size === 0) process.once('exit', () => running.forEach((left) => left.kill('SIGKILL')));
  running.add(child);
  child.once('exit', () => running.delete(child));
}
