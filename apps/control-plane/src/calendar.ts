/** Days, weeks and months in a time zone, right on the days that have 23 or 25 hours. All times are epoch ms. */

const hour = 3_600_000;
const day = 24 * hour;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let known = formats.get(zone);
  if (known === undefined) {
    known = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, known);
  }
  return known;
}

/** What a clock on the wall shows at that moment, written as if it were UTC. */
export function wallTime(at: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of format(zone).formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day: date = 1, hour: hours = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, date, hours, minute, second);
}

/**
 * The moment at which the wall shows that time: the earlier one if it does so twice, and if it never does, the moment as
 * long after the gap as the time lies in it.
 */
export function instant(wall: number, zone: string): number {
  const before = wallTime(wall - day, zone) - (wall - day);
  const after = wallTime(wall + day, zone) - (wall + day);
  const candidates = [wall - before, wall - after].filter((at) => wallTime(at, zone) === wall);
  return candidates.length === 0 ? wall - before : Math.min(...candidates);
}

/** When a daily limit starts anew: at a time of day, or never because it looks back 24 hours. */
export interface DailyReset {
  readonly mode: 'fixed' | 'rolling';
  /** `H:mm` or `HH:mm`. */
  readonly time: string;
}

export interface Window {
  /** Spending from this moment on counts. */
  readonly start: number;
  /** When it starts anew; undefined if it rolls. */
  readonly resetAt: number | undefined;
}

export function fiveHourWindow(now: number): Window {
  return { start: now - 5 * hour, resetAt: undefined };
}

export function dailyWindow(now: number, zone: string, reset: DailyReset): Window {
  if (reset.mode === 'rolling') return { start: now - day, resetAt: undefined };
  const [hours = 0, minutes = 0] = reset.time.split(':').map(Number);
  const wall = wallTime(now, zone);
  const today = wall - (wall % day) + hours * hour + minutes * 60_000;
  const starts = [today - day, today, today + day, today + 2 * day].map((start) => instant(start, zone));
  const next = starts.findIndex((start) => start > now);
  return { start: starts[next - 1] ?? now, resetAt: starts[next] };
}

/** From Monday 00:00. */
export function weeklyWindow(now: number, zone: string): Window {
  const wall = wallTime(now, zone);
  const sinceMonday = (new Date(wall).getUTCDay() + 6) % 7;
  const monday = wall - (wall % day) - sinceMonday * day;
  return { start: instant(monday, zone), resetAt: instant(monday + 7 * day, zone) };
}

/** From the first of the month 00:00. */
export function monthlyWindow(now: number, zone: string): Window {
  const wall = new Date(wallTime(now, zone));
  const first = (months: number) => instant(Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth() + months, 1), zone);
  return { start: first(0), resetAt: first(1) };
}

export function midnight(now: number, zone: string): number {
  return dailyWindow(now, zone, { mode: 'fixed', time: '00:00' }).start;
}
