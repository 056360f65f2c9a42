import type { WorkloadName } from '../workload.ts';

/** What the load generator is asked to do, and what it answers: plain data over the IPC channel. */

export interface Target {
  readonly port: number;
  /** Whose processor time and memory are looked at; undefined = nobody's. */
  readonly pid: number | undefined;
}

export type Job =
  /** As many requests as the target can bear, with a fixed number in flight. */
  | { readonly kind: 'saturate'; readonly target: Target; readonly workload: WorkloadName; readonly warmMs: number; readonly windowMs: number; readonly concurrency: number }
  /** Requests at a constant rate, whether or not earlier ones have been answered. */
  | { readonly kind: 'arrivals'; readonly target: Target; readonly workload: WorkloadName; readonly warmMs: number; readonly windowMs: number; readonly perSecond: number }
  /** One after the other. */
  | { readonly kind: 'sequence'; readonly target: Target; readonly workload: WorkloadName; readonly count: number }
  /** Opens streams that stay; answered once each has said something several times. */
  | { readonly kind: 'open'; readonly target: Target; readonly count: number }
  | { readonly kind: 'close' };

export interface Measured {
  /** Complete answers within the window. */
  readonly requests: number;
  /** All complete answers, those outside the window too. */
  readonly all: number;
  /** Answers that were wrong, cut or missing. */
  readonly failures: number;
  readonly windowMs: number;
  /** Of the target, within the window. */
  readonly cpuMs: number;
  readonly peakBytes: number;
  /** ms */
  readonly p50: number;
  readonly p99: number;
  /** Arrivals that had to wait for a connection. */
  readonly late: number;
}

export type Reply = { readonly kind: 'measured'; readonly measured: Measured } | { readonly kind: 'failed'; readonly message: string };
