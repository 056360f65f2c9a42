import { createHash } from 'node:crypto';

/** Who has limits. A key's counters live beside its user's, a provider's are on their own. */
export type SubjectKind = 'user' | 'key' | 'provider';

/** Spending and concurrency limits. Unset, 0 and negative = unlimited; only 0 < limit is enforced. */
export interface LimitRules {
  readonly fiveHourNanos: bigint | undefined;
  readonly dailyNanos: bigint | undefined;
  readonly weeklyNanos: bigint | undefined;
  readonly monthlyNanos: bigint | undefined;
  readonly totalNanos: bigint | undefined;
  readonly concurrentSessions: number | undefined;
  readonly dailyReset: {
    /** `fixed`: the day begins at minuteOfDay in the hub's time zone; `rolling`: the last 24 hours. */
    readonly mode: 'fixed' | 'rolling';
    /** Minutes after 00:00; only read when fixed. */
    readonly minuteOfDay: number;
  };
}

export interface Subject {
  readonly kind: SubjectKind;
  readonly id: number;
  readonly rules: LimitRules;
  /** Requests per 60 seconds; users only. Unset or ≤ 0 = unlimited. */
  readonly rpm?: number | undefined;
  /** True: what a request can cost at most is reserved, so spending never exceeds a limit. False: refused once spent ≥ limit. */
  readonly hard?: boolean | undefined;
  /** Spending before this moment (epoch ms) does not count towards the total. Unset = everything counts. */
  readonly totalSince?: number | undefined;
}

export interface SubjectRef {
  readonly kind: SubjectKind;
  readonly id: number;
}

/**
 * The short name of a subject inside its slot: `u`, `k12`, `p`. The slot (`u:7`, `p:3`) is the hash tag of all keys that
 * one script touches.
 */
export function tagOf(subject: SubjectRef): string {
  return subject.kind === 'key' ? `k${subject.id}` : subject.kind === 'user' ? 'u' : 'p';
}

export function userSlot(userId: number): string {
  return `u:${userId}`;
}

export function providerSlot(providerId: number): string {
  return `p:${providerId}`;
}

/**
 * What the counters of a subject mean: change one of these and the numbers kept so far no longer answer the question, so
 * they are rebuilt.
 */
export function signatureOf(subject: Subject, timeZone: string): string {
  const { mode, minuteOfDay } = subject.rules.dailyReset;
  return `${mode === 'rolling' ? 'r' : `f${minuteOfDay}`}|${timeZone}|${subject.totalSince ?? 0}`;
}

/** A limit as the scripts take it: 0 = off. */
export function limitOf(nanos: bigint | undefined): bigint {
  return nanos !== undefined && nanos > 0n ? nanos : 0n;
}

export function countLimitOf(limit: number | undefined): number {
  return limit !== undefined && limit > 0 ? Math.floor(limit) : 0;
}

export function hasSpendLimit(rules: LimitRules): boolean {
  return (
    limitOf(rules.fiveHourNanos) > 0n ||
    limitOf(rules.dailyNanos) > 0n ||
    limitOf(rules.weeklyNanos) > 0n ||
    limitOf(rules.monthlyNanos) > 0n ||
    limitOf(rules.totalNanos) > 0n
  );
}

/**
 * The name of a session among the sessions of one user or provider: the key's id and a digest. Two keys that send the
 * same session id are two sessions, whatever the clients did to make their ids alike. Fixed length, whatever the id.
 */
export function sessionMember(keyId: number, sessionId: string): string {
  return `${keyId}:${createHash('sha256').update(`${keyId}\0${sessionId}`).digest('base64url').slice(0, 22)}`;
}
