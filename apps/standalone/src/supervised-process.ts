import { type ChildProcess, fork } from 'node:child_process';
import { type Announcement, type Backoff, backoff, type Clock } from '@hub/service';
import { messageOf, StartError, type Terminal } from './terminal.ts';

/** The ports that a process announced, by what they are for. */
export type Ports = Readonly<Record<string, number>>;

export interface ProcessPlan {
  /** As people call it, for example "the data plane". */
  readonly title: string;
  /** Path of its main file. */
  readonly script: string;
  /** @param last the ports that it had before, which it should get again; unset at its first start */
  environment(last: Ports | undefined): Record<string, string>;
}

export interface Supervision {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** ms that it gets to end by itself once it is told to. */
  readonly stopWithinMs: number;
  /** Whenever there is another process id. */
  readonly onPid: () => void;
  /** It died too often in a row to be started once more. */
  readonly onGivenUp: (reason: string) => void;
}

/** A process that lived shorter than this died quickly. */
const quickMs = 10_000;
const quickDeathsAllowed = 5;
const noticeAfterMs = 10_000;

/** One child process that is started again, with growing pauses, whenever it dies without being told to. */
export class SupervisedProcess {
  readonly #plan: ProcessPlan;
  readonly #supervision: Supervision;
  readonly #pauses: Backoff = backoff(200, 5_000);
  #child: ChildProcess | undefined;
  #ports: Ports | undefined;
  #retry: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #quickDeaths = 0;
  #stopping = false;

  constructor(plan: ProcessPlan, supervision: Supervision) {
    this.#plan = plan;
    this.#supervision = supervision;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get script(): string {
    return this.#plan.script;
  }

  /**
   * Starts it the first time.
   * @returns its ports, once it serves
   * @throws StartError if it ends before that
   */
  start(): Promise<Ports> {
    const { title } = this.#plan;
    const notice = setInterval(() => this.#supervision.terminal.note(`still waiting for ${title}`), noticeAfterMs);
    return this.#launch().finally(() => clearInterval(notice));
  }

  /** Tells it to end and waits for it; ends it by force if that takes too long. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#retry);
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    // There are no signals on Windows; a broken channel says the same.
    if (process.platform === 'win32') child.disconnect();
    else child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), this.#supervision.stopWithinMs);
    await ended;
    clearTimeout(force);
  }

  /** Ends it at once. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#retry);
    this.#child?.kill('SIGKILL');
  }

  #launch(): Promise<Ports> {
    const { title, script } = this.#plan;
    this.#startedAt = this.#supervision.clock.now();
    // Apart from the terminal's process group: Ctrl-C is for the launcher, which ends its processes in order.
    const child = fork(script, [], {
      env: this.#plan.environment(this.#ports),
      detached: true,
      execArgv: [],
      stdio: ['ignore', process.stderr.fd, process.stderr.fd, 'ipc'],
    });
    this.#child = child;
    this.#supervision.onPid();
    return new Promise((resolve, reject) => {
      let ready = false;
      let failure: string | undefined;
      child.on('message', (message: Announcement) => {
        if (message.type === 'failed') failure = message.message;
        else if (message.type === 'ready') {
          ready = true;
          this.#ports = message.ports;
          resolve(message.ports);
        }
      });
      child.once('error', (error) => reject(new StartError(`can't run ${script}: ${messageOf(error)}`)));
      child.once('exit', (code, signal) => {
        const how = signal === null ? `exit code ${code}` : signal;
        if (!ready) reject(new StartError(failure ?? `${title} ended before it served (${how})`, failure !== undefined));
        else if (!this.#stopping) this.#startAgain(how);
      });
    });
  }

  #startAgain(how: string): void {
    const { terminal, clock, onGivenUp } = this.#supervision;
    const { title } = this.#plan;
    const quick = clock.now() - this.#startedAt < quickMs;
    if (!quick) this.#pauses.reset();
    this.#quickDeaths = quick ? this.#quickDeaths + 1 : 1;
    if (this.#quickDeaths >= quickDeathsAllowed) {
      onGivenUp(`${title} ended ${quickDeathsAllowed} times in a row within seconds (the last time: ${how}); its messages are above`);
      return;
    }
    const pauseMs = this.#pauses.next();
    terminal.note(`${title} ended unexpectedly (${how}); starting it again`);
    this.#retry = setTimeout(() => {
      this.#launch().catch((error: unknown) => {
        if (!this.#stopping) this.#startAgain(messageOf(error));
      });
    }, pauseMs);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}
