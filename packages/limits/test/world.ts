import { recordId, silentLogger } from '@hub/service';
import type { Hold, Limiter, LimiterOptions, LimitRules, Refusal, ReserveRequest, Subject, Warmth, WarmRequest } from '../src/index.ts';
import { createLimiter } from '../src/index.ts';

/** 2026-11-24, a Tuesday, 16:00 in Shanghai. */
export const NOW = Date.UTC(2026, 10, 24, 8);
export const ZONE = 'Asia/Shanghai';
export const HOUR = 3_600_000;
export const MINUTE = 60_000;

export const unlimited: LimitRules = {
  fiveHourNanos: undefined,
  dailyNanos: undefined,
  weeklyNanos: undefined,
  monthlyNanos: undefined,
  totalNanos: undefined,
  concurrentSessions: undefined,
  dailyReset: { mode: 'fixed', minuteOfDay: 0 },
};

// Ids of this file's subjects: suites share one server, never a user.
let lastId = (process.pid % 10_000) * 10_000;

export function newId(): number {
  lastId += 1;
  return lastId;
}

export function subject(kind: Subject['kind'], rules: Partial<LimitRules> = {}, more: Partial<Subject> = {}): Subject {
  return { kind, id: newId(), rules: { ...unlimited, ...rules }, ...more };
}

export const usd = (dollars: number): bigint => BigInt(Math.round(dollars * 1e9));

/** A database that has the rows it is told. */
export class Books {
  readonly rows: { recordId: string; subjects: string[]; nanos: bigint; startedAt: number; takenInAt: number }[] = [];
  readonly asked: WarmRequest[] = [];
  /** Set = the database cannot be reached. */
  failure: Error | undefined;
  /** Awaited before every answer. */
  gate: Promise<void> = Promise.resolve();

  add(subjects: readonly Subject[], nanos: bigint, startedAt: number, takenInAt = 0, id = recordId(startedAt)): void {
    this.rows.push({ recordId: id, subjects: subjects.map(nameOf), nanos, startedAt, takenInAt });
  }

  readonly warm = async (asked: WarmRequest): Promise<Warmth> => {
    this.asked.push(asked);
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    const name = nameOf(asked.subject);
    const rows = this.rows.filter((row) => row.subjects.includes(name));
    const old = rows.filter((row) => row.takenInAt < asked.recentSinceMs);
    return {
      answers: asked.queries.map(({ sinceMs, bucketMs }) => {
        const inWindow = old.filter((row) => row.startedAt >= sinceMs);
        const buckets = new Map<number, bigint>();
        for (const { startedAt, nanos } of bucketMs > 0 ? inWindow : []) {
          const startMs = Math.floor(startedAt / bucketMs) * bucketMs;
          buckets.set(startMs, (buckets.get(startMs) ?? 0n) + nanos);
        }
        return {
          totalNanos: inWindow.reduce((sum, { nanos }) => sum + nanos, 0n),
          buckets: [...buckets].map(([startMs, nanos]) => ({ startMs, nanos })),
        };
      }),
      recent: rows.filter((row) => row.takenInAt >= asked.recentSinceMs),
    };
  };
}

function nameOf({ kind, id }: { kind: string; id: number }): string {
  return `${kind} ${id}`;
}

/** Somewhere limits are kept; every limiter opened on it shares them if `shared`. */
export interface Backend {
  readonly shared: boolean;
  limiter(options?: Partial<LimiterOptions>): Limiter;
  close(): Promise<void>;
}

export function memoryBackend(): Backend {
  const limiters: Limiter[] = [];
  return {
    shared: false,
    limiter(options = {}) {
      const limiter = createLimiter({ warm: new Books().warm, clock: { now: () => NOW }, log: silentLogger, ...options });
      limiters.push(limiter);
      return limiter;
    },
    async close() {
      await Promise.all(limiters.map((limiter) => limiter.close()));
    },
  };
}

/** A request of one key and user with defaults. */
export function request(key: Subject, user: Subject, more: Partial<ReserveRequest> = {}): ReserveRequest {
  const now = more.now ?? NOW;
  return { recordId: recordId(now), now, timeZone: ZONE, key, user, ...more };
}

/** Reserves and must be admitted. */
export async function admitted(limiter: Limiter, asked: ReserveRequest): Promise<Hold> {
  const answer = await limiter.reserve(asked);
  if (!answer.ok) throw new Error(`refused: ${answer.refusal.limitType}`);
  return answer.hold;
}

/** Reserves and must be refused. */
export async function refused(limiter: Limiter, asked: ReserveRequest): Promise<Refusal> {
  const answer = await limiter.reserve(asked);
  if (answer.ok) throw new Error('admitted');
  return answer.refusal;
}

/** One request without a session that costs `nanos`. */
export async function spend(limiter: Limiter, key: Subject, user: Subject, nanos: bigint, now = NOW): Promise<void> {
  const hold = await admitted(limiter, request(key, user, { now }));
  await hold.settle({ nanos, now });
}
