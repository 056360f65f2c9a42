/**
 * What a place that keeps limits can do: one method per atomic step. Redis does each in one script, the memory twin in one
 * synchronous function; `limiter.ts` above knows neither. Money is whole nano-dollars, times are epoch ms.
 */

/** The order of the contract: within a dimension the key comes before its user. */
export const dimensions = ['total', 'concurrent', 'rpm', 'fiveHour', 'daily', 'weekly', 'monthly'] as const;
export type Dimension = (typeof dimensions)[number];

/** Where a moment lies in all windows. */
export interface Position {
  readonly now: number;
  /** Lowest live bucket of the last 5 hours / 24 hours. */
  readonly fiveHourLow: number;
  readonly dayLow: number;
  readonly weekStart: number;
  readonly monthStart: number;
}

export interface SubjectOrder {
  readonly tag: string;
  readonly signature: string;
  readonly hard: boolean;
  /** 0n = off. */
  readonly limits: {
    readonly total: bigint;
    readonly fiveHour: bigint;
    readonly daily: bigint;
    readonly weekly: bigint;
    readonly monthly: bigint;
  };
  /** 0 = off. */
  readonly concurrent: number;
  readonly rolling: boolean;
  /** Start of the fixed day; read when not rolling. */
  readonly dayStart: number;
}

export interface SessionOrder {
  readonly member: string;
  /** Taken instead when `member` has a request in flight; undefined = never. */
  readonly alternative: string | undefined;
}

export interface ReserveOrder {
  readonly slot: string;
  readonly recordId: string;
  readonly position: Position;
  readonly leaseUntil: number;
  /** The most that the request can cost; what hard subjects reserve. */
  readonly estimate: bigint;
  /** The least that is worth sending it for: with less left, a hard subject refuses. */
  readonly minimum: bigint;
  /** 0 = off. */
  readonly rpm: number;
  readonly session: SessionOrder | undefined;
  /** How long sequence number and binding of a quiet session are kept. */
  readonly sessionTtlMs: number;
  readonly subjects: readonly SubjectOrder[];
}

/** What one subject has spent in each of its windows. */
export interface Standing {
  readonly total: bigint;
  readonly fiveHour: bigint;
  readonly daily: bigint;
  readonly weekly: bigint;
  readonly monthly: bigint;
}

/** A request in flight, as the store has written it down: enough to renew it, to give it back, or to write it again. */
export interface HoldOrder {
  readonly slot: string;
  readonly recordId: string;
  readonly tags: readonly string[];
  readonly granted: bigint;
  /** Empty = no session. */
  readonly member: string;
}

export type ReserveAnswer =
  | {
      readonly status: 'taken';
      readonly hold: HoldOrder;
      /** 1 for a session's first request; 0 without a session. */
      readonly sequence: number;
      /** 0 = none. */
      readonly boundProvider: number;
      /** The alternative session was taken. */
      readonly alternative: boolean;
      /** Per subject; undefined = not counted. */
      readonly standings: readonly (Standing | undefined)[];
    }
  | {
      readonly status: 'refused';
      readonly subject: number;
      readonly dimension: Dimension;
      /** Nano-dollars, requests or sessions. */
      readonly current: bigint;
    }
  /** These subjects' counters are missing, or mean something else than asked for. Nothing was taken. */
  | { readonly status: 'cold'; readonly subjects: readonly number[] };

/** The session's provider: `absent` keeps one that is there, `overwrite` replaces it. */
export interface BindingOrder {
  readonly providerId: number;
  readonly rule: 'absent' | 'overwrite';
  readonly ttlMs: number;
}

export interface SettleOrder {
  readonly hold: HoldOrder;
  readonly position: Position;
  /** Undefined = released: nothing was spent, the session was not served. */
  readonly spent:
    | {
        readonly nanos: bigint;
        readonly startedAt: number;
        readonly settledAt: number;
        /** The session counts as active until then. */
        readonly idleUntil: number;
      }
    | undefined;
  readonly binding: BindingOrder | undefined;
  /** Windows at `startedAt`: spending counts where the request began, as the database sums it. */
  readonly weekStart: number;
  readonly monthStart: number;
  readonly subjects: readonly {
    readonly tag: string;
    /** Has a spending limit: then what is spent while its counters are missing must be kept for their rebuilding. */
    readonly limited: boolean;
    readonly dayStart: number;
  }[];
}

export interface SettleAnswer {
  /** `duplicate`: this record was settled before, nothing changed. */
  readonly status: 'settled' | 'duplicate' | 'released';
  /** Per subject; undefined = its counters are missing. */
  readonly standings: readonly (Standing | undefined)[];
}

/** Counters as the database knows them. */
export interface Seed {
  readonly signature: string;
  readonly rolling: boolean;
  /** Rows that the database took in before are in the sums, later ones in `recent`. */
  readonly recentSince: number;
  /** Provisional numbers are believed until then and rebuilt after; 0 = they are final. */
  readonly provisionalUntil: number;
  readonly total: bigint;
  readonly week: { readonly start: number; readonly nanos: bigint };
  readonly month: { readonly start: number; readonly nanos: bigint };
  /** Of the fixed day; its sum is read when not rolling. */
  readonly day: { readonly start: number; readonly nanos: bigint };
  readonly fiveHourBuckets: readonly SeedBucket[];
  /** Read when rolling. */
  readonly dayBuckets: readonly SeedBucket[];
  readonly recent: readonly { readonly recordId: string; readonly nanos: bigint; readonly startedAt: number }[];
}

export interface SeedBucket {
  readonly bucket: number;
  readonly nanos: bigint;
}

export interface SeedOrder {
  readonly slot: string;
  readonly tag: string;
  /** As given to `claim`. */
  readonly token: string;
  readonly position: Position;
  readonly seed: Seed;
}

export interface LimitStore {
  reserve(order: ReserveOrder): Promise<ReserveAnswer>;
  /** Idempotent by record id. */
  settle(order: SettleOrder): Promise<SettleAnswer>;
  /** Keeps holds of one slot alive; a hold that is gone (emptied store) is written again. */
  renew(slot: string, holds: readonly HoldOrder[], now: number, leaseUntil: number): Promise<void>;
  /** Whose turn it is to rebuild a cold subject: `yours`, somebody else's (`busy`), or nobody's (`warm`). */
  claim(order: ClaimOrder): Promise<'yours' | 'busy' | 'warm'>;
  /** Writes rebuilt counters. `lost`: the claim ran out or another seeded first. */
  seed(order: SeedOrder): Promise<'seeded' | 'lost'>;
  /** Makes the counters of a subject cold: they are rebuilt at next use. */
  forget(slot: string, tag: string): Promise<void>;
  peek(order: PeekOrder): Promise<PeekAnswer>;
  bind(slot: string, member: string, binding: BindingOrder, now: number): Promise<void>;
  /** Forgets number and binding of a session; its slots are free once its requests in flight have ended. */
  terminate(slot: string, member: string): Promise<void>;
  /** Says that this node lives until `until` (≤ now: that it is leaving). */
  heartbeat(nodeId: string, now: number, until: number): Promise<Heartbeat>;
}

export interface Heartbeat {
  /** Living nodes, at least 1. */
  readonly nodes: number;
  /** The store had not heard of this node: it is new, was silent for long, or the store has lost its memory. */
  readonly forgotten: boolean;
}

export interface ClaimOrder {
  readonly slot: string;
  readonly tag: string;
  readonly signature: string;
  readonly token: string;
  readonly now: number;
  readonly claimUntil: number;
}

export interface PeekOrder {
  readonly slot: string;
  readonly position: Position;
  readonly subjects: readonly { readonly tag: string; readonly signature: string; readonly dayStart: number }[];
}

export interface PeekAnswer {
  /** Requests of the last 60 s. */
  readonly rpm: number;
  readonly subjects: readonly {
    readonly sessions: number;
    /** Reserved by requests in flight, nano-dollars. */
    readonly held: bigint;
    /** Undefined = counters are missing, or mean something else than asked for. */
    readonly spent: Standing | undefined;
  }[];
}
