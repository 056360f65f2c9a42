import { setTimeout as wait } from 'node:timers/promises';
import { cpuMs, memoryOf, resetPeak } from '../proc-stats.ts';
import { requestBytes, type RequestBytes } from '../request-bytes.ts';
import { quantile } from '../statistics.ts';
import { answerBytes, type Workload, workloads } from '../workload.ts';
import { type Answer, Connection } from './connection.ts';
import type { Job, Measured, Target } from './job.ts';

/** The ways in which load is put on a target. */

type JobOf<Kind extends Job['kind']> = Extract<Job, { kind: Kind }>;

/** Counts answers; from `begin` to `end` also their latencies and what they cost the target. */
class Meter {
  readonly #target: Target;
  readonly #leastBytes: number;
  readonly #latencies: number[] = [];
  #open = false;
  #all = 0;
  #failures = 0;
  #startedAt = 0;
  #cpuAtStart = 0;
  late = 0;

  constructor(target: Target, workload: Workload) {
    this.#target = target;
    this.#leastBytes = answerBytes(workload.answer);
  }

  /** @returns whether the answer was right */
  take({ status, bodyBytes, totalMs }: Answer): boolean {
    if (status !== 200 || bodyBytes < this.#leastBytes) {
      this.#failures++;
      return false;
    }
    this.#all++;
    if (this.#open) this.#latencies.push(totalMs);
    return true;
  }

  begin(): void {
    const { pid } = this.#target;
    if (pid !== undefined) {
      resetPeak(pid);
      this.#cpuAtStart = cpuMs(pid);
    }
    this.#open = true;
    this.#startedAt = performance.now();
  }

  /** Closes the window; more answers may follow and are only counted. */
  end(): () => Measured {
    const { pid } = this.#target;
    const windowMs = performance.now() - this.#startedAt;
    this.#open = false;
    const [cpu, peakBytes] = pid === undefined ? [0, 0] : [cpuMs(pid) - this.#cpuAtStart, memoryOf(pid).peak];
    return () => ({
      requests: this.#latencies.length,
      all: this.#all,
      failures: this.#failures,
      windowMs,
      cpuMs: cpu,
      peakBytes,
      p50: quantile(this.#latencies, 0.5),
      p99: quantile(this.#latencies, 0.99),
      late: this.late,
    });
  }
}

const readyRequests = new Map<string, RequestBytes>();

function requestFor({ request, answer }: Pick<Workload, 'request' | 'answer'>, client: number): RequestBytes {
  const name = `${request} ${answer} ${client}`;
  let bytes = readyRequests.get(name);
  if (bytes === undefined) readyRequests.set(name, (bytes = requestBytes(request, answer, client)));
  return bytes;
}

/** More clients than that are given the sessions of earlier ones. */
const sessions = 256;

export async function saturate({ target, workload: name, concurrency, warmMs, windowMs }: JobOf<'saturate'>): Promise<Measured> {
  const workload = workloads[name];
  const meter = new Meter(target, workload);
  let running = true;
  const client = (number: number): Promise<void> => {
    const connection = new Connection(target.port);
    const { parts } = requestFor(workload, number);
    return new Promise((resolve) => {
      const next = (): void => connection.send(parts, take);
      const take = (answer: Answer): void => {
        const right = meter.take(answer);
        if (running && right) return next();
        connection.close();
        resolve();
      };
      next();
    });
  };
  const clients = Array.from({ length: concurrency }, (_, number) => client(number));
  await wait(warmMs);
  meter.begin();
  await wait(windowMs);
  const result = meter.end();
  running = false;
  await Promise.all(clients);
  return result();
}

/** Connections that may be open at a time for arrivals. */
const mostConnections = 512;

export async function arrivals({ target, workload: name, perSecond, warmMs, windowMs }: JobOf<'arrivals'>): Promise<Measured> {
  const workload = workloads[name];
  const meter = new Meter(target, workload);
  const idle: Connection[] = [];
  let opened = 0;
  let inFlight = 0;
  let allDone: (() => void) | undefined;
  const send = (client: number): void => {
    const connection = idle.pop() ?? (opened < mostConnections ? (opened++, new Connection(target.port)) : undefined);
    if (connection === undefined) {
      meter.late++;
      return;
    }
    inFlight++;
    connection.send(requestFor(workload, client % sessions).parts, (answer) => {
      meter.take(answer);
      inFlight--;
      if (connection.broken) opened--;
      else idle.push(connection);
      if (inFlight === 0) allDone?.();
    });
  };
  const startedAt = performance.now();
  let sent = 0;
  const sendUntil = async (endMs: number): Promise<void> => {
    for (let now = performance.now() - startedAt; now < endMs; now = performance.now() - startedAt) {
      for (const due = Math.floor((now / 1000) * perSecond); sent < due; sent++) send(sent);
      await wait(1);
    }
  };
  await sendUntil(warmMs);
  meter.begin();
  await sendUntil(warmMs + windowMs);
  const result = meter.end();
  if (inFlight > 0) await new Promise<void>((resolve) => (allDone = resolve));
  for (const connection of idle) connection.close();
  return result();
}

export async function sequence({ target, workload: name, count }: JobOf<'sequence'>): Promise<Measured> {
  const workload = workloads[name];
  const meter = new Meter(target, workload);
  const connection = new Connection(target.port);
  meter.begin();
  for (let index = 0; index < count; index++) {
    const answer = await new Promise<Answer>((resolve) => connection.send(requestFor(workload, index % sessions).parts, resolve));
    if (!meter.take(answer)) break;
  }
  connection.close();
  return meter.end()();
}

const openStreams: Connection[] = [];
/** So many pieces of a stream must have come before it counts as open: it has gone through everything then. */
const piecesOfOpen = 3;
/** Streams that are begun at the same time. */
const openAtOnce = 50;

export async function openAll({ target, count }: JobOf<'open'>): Promise<Measured> {
  let failures = 0;
  const open = (client: number): Promise<void> =>
    new Promise((resolve) => {
      const connection = new Connection(target.port);
      openStreams.push(connection);
      let pieces = 0;
      const ended = (): void => {
        failures++;
        resolve();
      };
      connection.send(requestFor({ request: 'small', answer: 'hold' }, client).parts, ended, () => {
        pieces++;
        if (pieces === piecesOfOpen) resolve();
      });
    });
  const waiting: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    waiting.push(open(index));
    if (waiting.length % openAtOnce === 0) await wait(10);
  }
  await Promise.all(waiting);
  return { requests: count, all: count, failures, windowMs: 0, cpuMs: 0, peakBytes: 0, p50: 0, p99: 0, late: 0 };
}

export async function closeAll(): Promise<Measured> {
  const count = openStreams.length;
  for (const connection of openStreams.splice(0)) connection.close();
  return { requests: count, all: count, failures: 0, windowMs: 0, cpuMs: 0, peakBytes: 0, p50: 0, p99: 0, late: 0 };
}
