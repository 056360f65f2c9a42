import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Announcement } from '@hub/service';
import { endWithUs } from '../end-with-us.ts';
import { childEnvironment } from '../env.ts';

export type Ports = Readonly<Record<string, number>>;

export interface PlaneOptions {
  /** How the test calls it. */
  readonly name: string;
  /** The program. */
  readonly entry: string;
  readonly cwd: string;
  /** Everything but the ports. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The variable of each port that the plane announces. */
  readonly portVariables: Readonly<Record<string, string>>;
  /** Unset: 60 s, for machines that are busy with other suites. */
  readonly startTimeoutMs?: number;
}

/** One plane as a process of its own. The ports that it found at its first start stay its own. */
export class PlaneProcess {
  readonly name: string;
  readonly #options: PlaneOptions;
  readonly #logs: string[] = [];
  #child: ChildProcess | undefined;
  #ports: Ports = {};
  #startedAt = 0;
  #frozen = false;

  constructor(options: PlaneOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get ports(): Ports {
    return this.#ports;
  }

  /** Epoch ms of the newest start. */
  get startedAt(): number {
    return this.#startedAt;
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Between `freeze` and `thaw`. */
  get frozen(): boolean {
    return this.running && this.#frozen;
  }

  /** Every line it wrote on standard output and standard error, over all its lives. */
  get logs(): readonly string[] {
    return this.#logs;
  }

  /** Settles when the plane says that it serves. Rejects with its own words if it does not come to that. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} is already running`);
    const { entry, cwd, env, portVariables } = this.#options;
    if (!existsSync(entry)) throw new Error(`${entry} is missing: build it first`);
    const ports = Object.entries(portVariables).map(([port, variable]) => [variable, String(this.#ports[port] ?? 0)]);
    const child = fork(entry, [], { cwd, execArgv: [], env: childEnvironment({ ...env, ...Object.fromEntries(ports) }), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    this.#startedAt = Date.now();
    this.#frozen = false;
    endWithUs(child);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#logs.push(line));
    }
    this.#ports = await this.#ready(child);
  }

  #ready(child: ChildProcess): Promise<Ports> {
    return new Promise((resolve, reject) => {
      const timeoutMs = this.#options.startTimeoutMs ?? 60_000;
      const fail = (reason: string): void => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new Error(`${this.name} ${reason}\n${this.#logs.slice(-20).join('\n')}`));
      };
      const timer = setTimeout(() => fail(`was not ready after ${timeoutMs} ms`), timeoutMs);
      child.on('message', (message: Announcement) => {
        if (message.type === 'failed') return fail(`did not start: ${message.message}`);
        if (message.type !== 'ready') return;
        clearTimeout(timer);
        resolve(message.ports);
      });
      child.once('error', (error) => fail(`could not be run: ${error.message}`));
      // 'close' comes after the last line of its output, 'exit' before.
      child.once('close', (code, signal) => fail(`ended (${signal ?? code}) before it was ready`));
    });
  }

  /** Settles when the process is gone. @returns its exit code, or the signal that ended it */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (this.running) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await gone;
    }
    return child.signalCode ?? child.exitCode;
  }

  /** An orderly end; after `graceMs` (unset: 10 s) the hard one. */
  async stop(graceMs = 10_000): Promise<number | NodeJS.Signals | null> {
    const hard = setTimeout(() => this.#child?.kill('SIGKILL'), graceMs);
    try {
      return await this.kill('SIGTERM');
    } finally {
      clearTimeout(hard);
    }
  }

  /** Ends what runs in an orderly way and starts it again on the same ports and data. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Stops the process where it stands: its sockets stay open, nothing is answered. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
    this.#frozen = true;
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
    this.#frozen = false;
  }
}
