import type { Clock, Logger } from '@hub/service';
import type { Mode } from './failover-store.ts';
import type { Hold, ProviderAnswer } from './hold.ts';
import type { WarmUp } from './rebuild.ts';
import type { Refusal } from './refusal.ts';
import { RequestLimiter } from './request-limiter.ts';
import type { RedisClient } from './scripts.ts';
import type { Standing } from './store.ts';
import type { Subject, SubjectRef } from './subject.ts';

export interface LimiterOptions {
  /** Undefined = this process alone keeps the limits, in memory. Stays its creator's to close. */
  readonly redis?: RedisClient | undefined;
  /** Reads what a subject has spent when its counters are missing. */
  readonly warm: WarmUp;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a dead process's holds live. Default 60 s. */
  readonly leaseMs?: number;
  /** How often living holds are renewed; well below `leaseMs`. Default 20 s. */
  readonly renewEveryMs?: number;
  /** How often this node says that it lives, and learns how many do. Default 5 s. */
  readonly heartbeatMs?: number;
  /** How long a session counts as active after a request that was served. Default 5 min, as v0.3.42. */
  readonly sessionIdleMs?: number;
  /** How long number and binding of a quiet session are kept. Default 5 min, v0.3.42's SESSION_TTL. */
  readonly sessionTtlMs?: number;
  /** What a silent Redis may cost a request, once. Default 80 ms. */
  readonly redisTimeoutMs?: number;
  /** How long the database may take to say what was spent. Default 2 s. */
  readonly warmTimeoutMs?: number;
  /** Stable while the process lives. Default: random. */
  readonly nodeId?: string;
  /** True: it only looks (the control plane), so it is none of the nodes that share limits when Redis is away. */
  readonly observer?: boolean;
}

export interface ReserveRequest {
  /** The id of the usage record; settlement is idempotent by it. */
  readonly recordId: string;
  readonly now: number;
  /** IANA name; calendar windows are computed in it. */
  readonly timeZone: string;
  readonly key: Subject;
  readonly user: Subject;
  /** Undefined = the request belongs to no session and concurrency does not concern it. */
  readonly session?:
    | {
        readonly id: string;
        /** Taken instead when `id` has a request in flight; undefined = never. */
        readonly alternativeId?: string | undefined;
      }
    | undefined;
  /** Hard budgets: the most that the request can cost as it is. Unset = 0. */
  readonly estimateNanos?: bigint | undefined;
  /** Hard budgets: the least that is worth sending it for, e.g. the prompt and one token. Unset = the estimate. */
  readonly minimumNanos?: bigint | undefined;
  /** The first candidate, taken in the same round trip; a refusal of it does not refuse the request. */
  readonly provider?: Subject | undefined;
}

export type ReserveResult =
  | { readonly ok: true; readonly hold: Hold; readonly provider: ProviderAnswer | undefined }
  | { readonly ok: false; readonly refusal: Refusal };

/** The numbers of one subject now; money undefined = not counted at the moment (no limit, or counters missing). */
export interface SubjectNow {
  readonly subject: SubjectRef;
  readonly sessions: number;
  readonly heldNanos: bigint;
  /** Requests of the last 60 s; users only. */
  readonly rpm: number | undefined;
  readonly spent: Standing | undefined;
}

export interface Limiter {
  /**
   * One atomic step: checks every limit of key and user in the order total, concurrent sessions, requests per minute, 5
   * hours, day, week, month (the key before its user), and takes a request, a session and, under hard budgets, a
   * reservation. Or refuses and takes nothing. Rejects with a RangeError for an unknown time zone, and for nothing else.
   */
  reserve(request: ReserveRequest): Promise<ReserveResult>;
  /** The numbers of a user and keys of his. */
  peekUser(user: Subject, keys: readonly Subject[], now: number, timeZone: string): Promise<SubjectNow[]>;
  peekProvider(provider: Subject, now: number, timeZone: string): Promise<SubjectNow>;
  /** The refusal of a provider within the last seconds, if any: lets a plan leave it out without asking. Only a hint. */
  recentRefusal(providerId: number, now: number): Refusal | undefined;
  /** Ties a session to a provider outside of a settlement. */
  bind(session: SessionRef, binding: { providerId: number; rule: 'absent' | 'overwrite'; ttlMs?: number }): Promise<void>;
  /** Forgets a session: number, binding, its place among the active ones. Requests in flight go on. */
  terminate(session: SessionRef): Promise<void>;
  /** The counters of a subject are rebuilt from the database at next use, e.g. after prices were corrected. */
  forget(subject: { kind: 'user' | 'provider'; id: number } | { kind: 'key'; id: number; userId: number }): Promise<void>;
  /** `single`: without Redis. */
  readonly mode: Mode | 'single';
  /** Living nodes, and settlements that wait for Redis. */
  readonly nodes: number;
  readonly journaled: number;
  readonly requestsInFlight: number;
  onModeChange(listener: (mode: Mode) => void): () => void;
  /** Stops timers and says that this node is leaving. Holds are left to their owners or their leases. */
  close(): Promise<void>;
}

export interface SessionRef {
  readonly userId: number;
  readonly keyId: number;
  readonly sessionId: string;
}

/** Limits in Redis with this node's memory to fall back on, or without `redis` in memory alone. */
export function createLimiter(options: LimiterOptions): Limiter {
  return new RequestLimiter(options);
}
