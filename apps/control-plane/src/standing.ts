import type { CallContext } from './context.ts';
import type { LiveSubject, Spent } from './live-state.ts';
import { spentIn, type Subject, totalWindow } from './spending.ts';
import { dailyWindow, fiveHourWindow, monthlyWindow, weeklyWindow } from './windows.ts';

/** Where a user, key or provider stands against its limits. */

export type WindowName = keyof Spent;

export interface Standing {
  /** USD; 0 in windows that were not asked for. */
  readonly spent: Spent;
  /** ISO 8601: when windows start anew. A rolling day never does. */
  readonly resetAt: { readonly daily: string | undefined; readonly weekly: string; readonly monthly: string };
  /** Active ones. */
  readonly sessions: number;
}

export interface StandingQuery {
  readonly live: LiveSubject;
  /** The same subject, for the database. */
  readonly rows: Subject;
  readonly windows: readonly WindowName[];
}

/**
 * What was spent within windows, from the counters that requests are checked against; while those are missing, or where
 * there are none because there is no limit, the sum in the database.
 */
export async function standingOf(context: CallContext, { live, rows, windows }: StandingQuery): Promise<Standing> {
  const { clock, timeZone } = context;
  const now = clock.now();
  const all = {
    fiveHour: fiveHourWindow(now),
    daily: dailyWindow(now, timeZone, live.rules.dailyReset),
    weekly: weeklyWindow(now, timeZone),
    monthly: monthlyWindow(now, timeZone),
    total: totalWindow(now),
  };
  const { sessions, spent: counted } = await context.live.standing(live);
  const spent = { fiveHour: 0, daily: 0, weekly: 0, monthly: 0, total: 0 };
  const summed = counted === undefined ? await spentIn(context.database.pool, rows, windows.map((name) => all[name])) : undefined;
  for (const [at, name] of windows.entries()) spent[name] = counted?.[name] ?? summed?.[at] ?? 0;
  const iso = (moment: number): string => new Date(moment).toISOString();
  const daily = all.daily.resetAt === undefined ? undefined : iso(all.daily.resetAt);
  return { spent, resetAt: { daily, weekly: iso(all.weekly.resetAt), monthly: iso(all.monthly.resetAt) }, sessions };
}
