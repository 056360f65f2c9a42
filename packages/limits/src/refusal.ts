import type { Dimension } from './store.ts';
import type { Subject, SubjectRef } from './subject.ts';
import type { Calendar } from './window.ts';
import { DAY_MS, FIVE_HOURS_MS, NEVER_MS, RPM_WINDOW_MS } from './window.ts';

/** The names under which clients know the limits. */
export type LimitType =
  | 'usd_total'
  | 'concurrent_sessions'
  | 'rpm'
  | 'usd_5h'
  | 'daily_quota'
  | 'usd_weekly'
  | 'usd_monthly';

/** A limit that is reached: nothing was taken. */
export interface Refusal {
  readonly limitType: LimitType;
  readonly subject: SubjectRef;
  readonly unit: 'nanos' | 'requests' | 'sessions';
  /** What counts towards the limit now: spent (and, under hard budgets, reserved) nano-dollars, or a number. */
  readonly current: bigint;
  readonly limit: bigint;
  /** When there will be room again, epoch ms, by the rules below. */
  readonly resetAt: number;
}

const limitTypes: Record<Dimension, LimitType> = {
  total: 'usd_total',
  concurrent: 'concurrent_sessions',
  rpm: 'rpm',
  fiveHour: 'usd_5h',
  daily: 'daily_quota',
  weekly: 'usd_weekly',
  monthly: 'usd_monthly',
};

function limitIn(dimension: Dimension, { rules, rpm }: Subject): bigint {
  switch (dimension) {
    case 'total':
      return rules.totalNanos ?? 0n;
    case 'fiveHour':
      return rules.fiveHourNanos ?? 0n;
    case 'daily':
      return rules.dailyNanos ?? 0n;
    case 'weekly':
      return rules.weeklyNanos ?? 0n;
    case 'monthly':
      return rules.monthlyNanos ?? 0n;
    case 'concurrent':
      return BigInt(rules.concurrentSessions ?? 0);
    case 'rpm':
      return BigInt(rpm ?? 0);
  }
}

/**
 * As v0.3.42 states resets: a total never, concurrency at once, requests in 60 s, 5 hours and a rolling day a full window
 * from now, calendar windows at their end.
 */
function resetOf(dimension: Dimension, subject: Subject, now: number, calendar: Calendar): number {
  const { mode, minuteOfDay } = subject.rules.dailyReset;
  switch (dimension) {
    case 'total':
      return NEVER_MS;
    case 'concurrent':
      return now;
    case 'rpm':
      return now + RPM_WINDOW_MS;
    case 'fiveHour':
      return now + FIVE_HOURS_MS;
    case 'daily':
      return mode === 'rolling' ? now + DAY_MS : calendar.day(now, minuteOfDay).end;
    case 'weekly':
      return calendar.week(now).end;
    case 'monthly':
      return calendar.month(now).end;
  }
}

export function refusalOf(
  { dimension, current }: { readonly dimension: Dimension; readonly current: bigint },
  subject: Subject,
  now: number,
  calendar: Calendar,
): Refusal {
  return {
    limitType: limitTypes[dimension],
    subject: { kind: subject.kind, id: subject.id },
    unit: dimension === 'concurrent' ? 'sessions' : dimension === 'rpm' ? 'requests' : 'nanos',
    current,
    limit: limitIn(dimension, subject),
    resetAt: resetOf(dimension, subject, now, calendar),
  };
}
