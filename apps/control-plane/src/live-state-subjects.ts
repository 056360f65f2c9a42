import type { BreakerRules, LimitRules } from '@hub/limits';
import type { Key, Provider, User } from './generated/prisma/client.ts';
import { nanos } from './link/rows.ts';
import type { LiveSubject } from './live-state.ts';
import type { Decimal } from './money.ts';
import { minuteOfDay } from './windows.ts';

/** Rows as the data planes' limits know them: what their counters mean depends on these rules. */

interface LimitColumns {
  readonly limit5hUsd: Decimal | null;
  readonly limitWeeklyUsd: Decimal | null;
  readonly limitMonthlyUsd: Decimal | null;
  readonly limitTotalUsd: Decimal | null;
  readonly limitConcurrentSessions: number | null;
  readonly dailyResetMode: 'fixed' | 'rolling';
  readonly dailyResetTime: string;
}

function rulesOf(row: LimitColumns, daily: Decimal | null): LimitRules {
  const limit = (usd: Decimal | null): bigint | undefined => nanos(usd === null ? null : usd.toFixed());
  return {
    fiveHourNanos: limit(row.limit5hUsd),
    dailyNanos: limit(daily),
    weeklyNanos: limit(row.limitWeeklyUsd),
    monthlyNanos: limit(row.limitMonthlyUsd),
    totalNanos: limit(row.limitTotalUsd),
    concurrentSessions: row.limitConcurrentSessions ?? undefined,
    dailyReset: { mode: row.dailyResetMode, minuteOfDay: minuteOfDay(row.dailyResetTime) },
  };
}

export function userSubject(row: User): LiveSubject {
  return { kind: 'user', id: row.id, rules: rulesOf(row, row.dailyLimitUsd) };
}

export function keySubject(row: Key): LiveSubject {
  return { kind: 'key', id: row.id, userId: row.userId, rules: rulesOf(row, row.limitDailyUsd) };
}

export function providerSubject(row: Provider): LiveSubject {
  return { kind: 'provider', id: row.id, rules: rulesOf(row, row.limitDailyUsd), totalSince: row.totalCostResetAt?.getTime() };
}

type BreakerColumns = Pick<Provider, 'circuitBreakerFailureThreshold' | 'circuitBreakerOpenDuration' | 'circuitBreakerHalfOpenSuccessThreshold'>;

/** A null counts as the column's default (v0.3.42). */
export function breakerRules(row: BreakerColumns): BreakerRules {
  return {
    failureThreshold: row.circuitBreakerFailureThreshold ?? 5,
    openMs: row.circuitBreakerOpenDuration ?? 1_800_000,
    halfOpenSuccesses: row.circuitBreakerHalfOpenSuccessThreshold ?? 2,
  };
}
