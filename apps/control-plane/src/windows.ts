import { calendarOf, type LimitRules } from '@hub/limits';

/** The windows of spending limits, by the same calendar that the data planes enforce them by. All times are epoch ms. */

const hour = 3_600_000;

/** When a daily limit starts anew: at a time of day, or never because it looks back 24 hours. */
export type DailyReset = LimitRules['dailyReset'];

export interface Window {
  /** Spending from this moment on counts. */
  readonly start: number;
  /** When it starts anew; undefined if it rolls. */
  readonly resetAt: number | undefined;
}

export function fiveHourWindow(now: number): Window {
  return { start: now - 5 * hour, resetAt: undefined };
}

export function dailyWindow(now: number, timeZone: string, reset: DailyReset): Window {
  if (reset.mode === 'rolling') return { start: now - 24 * hour, resetAt: undefined };
  const { start, end } = calendarOf(timeZone).day(now, reset.minuteOfDay);
  return { start, resetAt: end };
}

/** @param time `H:mm` or `HH:mm` */
export function minuteOfDay(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

/** From Monday 00:00. */
export function weeklyWindow(now: number, timeZone: string): Window & { readonly resetAt: number } {
  const { start, end } = calendarOf(timeZone).week(now);
  return { start, resetAt: end };
}

/** From the first of the month 00:00. */
export function monthlyWindow(now: number, timeZone: string): Window & { readonly resetAt: number } {
  const { start, end } = calendarOf(timeZone).month(now);
  return { start, resetAt: end };
}

export function midnight(now: number, timeZone: string): number {
  return calendarOf(timeZone).day(now, 0).start;
}
