import type { HoldOrder, BindingOrder, Position, SettleOrder, SubjectOrder } from './store.ts';
import type { Subject } from './subject.ts';
import { countLimitOf, hasSpendLimit, limitOf, signatureOf, tagOf } from './subject.ts';
import type { Calendar } from './window.ts';
import { DAY_BUCKET_MS, DAY_MS, FIVE_HOUR_BUCKET_MS, FIVE_HOURS_MS, firstLiveBucket } from './window.ts';

/** Subjects and moments → the orders that a store understands. Pure. */

export function positionAt(now: number, calendar: Calendar): Position {
  return {
    now,
    fiveHourLow: firstLiveBucket(now, FIVE_HOURS_MS, FIVE_HOUR_BUCKET_MS),
    dayLow: firstLiveBucket(now, DAY_MS, DAY_BUCKET_MS),
    weekStart: calendar.week(now).start,
    monthStart: calendar.month(now).start,
  };
}

export function isRolling(subject: Subject): boolean {
  return subject.rules.dailyReset.mode === 'rolling';
}

/** Start of the fixed day; 0 for a rolling one, which has none. */
export function dayStartOf(subject: Subject, at: number, calendar: Calendar): number {
  return isRolling(subject) ? 0 : calendar.day(at, subject.rules.dailyReset.minuteOfDay).start;
}

export function subjectOrder(subject: Subject, now: number, calendar: Calendar): SubjectOrder {
  const { rules } = subject;
  return {
    tag: tagOf(subject),
    signature: signatureOf(subject, calendar.timeZone),
    hard: subject.hard === true,
    limits: {
      total: limitOf(rules.totalNanos),
      fiveHour: limitOf(rules.fiveHourNanos),
      daily: limitOf(rules.dailyNanos),
      weekly: limitOf(rules.weeklyNanos),
      monthly: limitOf(rules.monthlyNanos),
    },
    concurrent: countLimitOf(rules.concurrentSessions),
    rolling: isRolling(subject),
    dayStart: dayStartOf(subject, now, calendar),
  };
}

export interface Spending {
  readonly nanos: bigint;
  readonly startedAt: number;
  /** The session stays active so long after the request. */
  readonly sessionIdleMs: number;
}

/** @param spending undefined = the hold is only given back */
export function settleOrder(
  hold: HoldOrder,
  subjects: readonly Subject[],
  spending: Spending | undefined,
  { now, calendar, binding }: { readonly now: number; readonly calendar: Calendar; readonly binding?: BindingOrder | undefined },
): SettleOrder {
  const startedAt = spending?.startedAt ?? now;
  return {
    hold,
    position: positionAt(now, calendar),
    spent: spending && {
      nanos: spending.nanos,
      startedAt,
      settledAt: now,
      idleUntil: spending.sessionIdleMs > 0 ? now + spending.sessionIdleMs : 0,
    },
    binding,
    weekStart: calendar.week(startedAt).start,
    monthStart: calendar.month(startedAt).start,
    subjects: subjects.map((subject) => ({
      tag: tagOf(subject),
      limited: hasSpendLimit(subject.rules),
      dayStart: dayStartOf(subject, startedAt, calendar),
    })),
  };
}
