/**
 * Where the windows of limits begin and end. Pure: the moment is an argument.
 *
 * Calendar windows (day from HH:mm, week from Monday 00:00, month from the 1st 00:00) begin at a wall-clock time of the
 * hub's time zone. A wall-clock time that a change of the clocks skips begins at the change; one that occurs twice
 * begins the first time. So days have 23, 24 or 25 hours (or 23.5, 24.5 where the change is half an hour), and every
 * moment lies in exactly one window.
 *
 * Rolling windows (the last 5 hours, the last 24 hours) are kept in aligned buckets, not exact entries: at most 61
 * buckets of 5 minutes and 97 of 15 minutes, however many requests there are. A bucket leaves only when it lies wholly
 * outside, so a sum can contain up to one bucket's width too much and never too little. Buckets are aligned to the epoch,
 * as the database sums them.
 */

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const FIVE_HOURS_MS = 5 * HOUR_MS;
export const FIVE_HOUR_BUCKET_MS = 300_000;
export const DAY_BUCKET_MS = 900_000;
export const RPM_WINDOW_MS = 60_000;
/** 9999-12-31T23:59:59.999Z: when a total limit "resets". */
export const NEVER_MS = 253_402_300_799_999;

/** [start, end) of a calendar window, epoch ms. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The calendar windows of one time zone. */
export interface Calendar {
  readonly timeZone: string;
  /** The window of the day that begins at `minuteOfDay` (minutes after 00:00) and contains `at`. */
  day(at: number, minuteOfDay: number): Span;
  /** Monday 00:00 to Monday 00:00. */
  week(at: number): Span;
  /** The 1st 00:00 to the next 1st 00:00. */
  month(at: number): Span;
}

/** The index of the aligned bucket that contains `at`. */
export function bucketOf(at: number, bucketMs: number): number {
  return Math.floor(at / bucketMs);
}

/** The lowest bucket that is not wholly outside the last `windowMs`. */
export function firstLiveBucket(now: number, windowMs: number, bucketMs: number): number {
  return Math.floor((now - windowMs) / bucketMs);
}

/** A calendar date and time without a zone; day and month may overflow as in Date.UTC. */
interface WallClock {
  readonly year: number;
  /** 0–11 */
  readonly month: number;
  readonly day: number;
  readonly minute: number;
}

/** Two spans per window: now's, and that of requests which began before the last reset. */
const REMEMBERED_SPANS = 2;

const calendars = new Map<string, Calendar>();

/** The calendar of an IANA zone, one per zone. Throws a RangeError for a name that the platform does not know. */
export function calendarOf(timeZone: string): Calendar {
  let calendar = calendars.get(timeZone);
  if (calendar === undefined) {
    calendar = createCalendar(timeZone);
    calendars.set(timeZone, calendar);
  }
  return calendar;
}

function createCalendar(timeZone: string): Calendar {
  const zone = createZone(timeZone);
  const remembered = new Map<number | string, Span[]>();

  /** Intl is slow (microseconds per call); the answer holds until the window ends. */
  const recall = (key: number | string, at: number, compute: () => Span): Span => {
    const spans = remembered.get(key) ?? [];
    const known = spans.find((span) => at >= span.start && at < span.end);
    if (known !== undefined) return known;
    const span = compute();
    remembered.set(key, [span, ...spans].slice(0, REMEMBERED_SPANS));
    return span;
  };

  /** The span that contains `at` among those that begin at `start(0)`, `start(1)`, … around the local date of `at`. */
  const around = (at: number, start: (offset: number) => number): Span => {
    let offset = 0;
    while (start(offset) > at) offset -= 1;
    while (start(offset + 1) <= at) offset += 1;
    return { start: start(offset), end: start(offset + 1) };
  };

  return {
    timeZone,
    day: (at, minuteOfDay) =>
      recall(minuteOfDay, at, () => {
        const { year, month, day } = zone.wallClock(at);
        return around(at, (offset) => zone.instant({ year, month, day: day + offset, minute: minuteOfDay }));
      }),
    week: (at) =>
      recall('week', at, () => {
        const { year, month, day } = zone.wallClock(at);
        // 0 = Monday
        const weekday = (new Date(Date.UTC(year, month, day)).getUTCDay() + 6) % 7;
        return around(at, (offset) => zone.instant({ year, month, day: day - weekday + 7 * offset, minute: 0 }));
      }),
    month: (at) =>
      recall('month', at, () => {
        const { year, month } = zone.wallClock(at);
        return around(at, (offset) => zone.instant({ year, month: month + offset, day: 1, minute: 0 }));
      }),
  };
}

interface Zone {
  wallClock(at: number): WallClock;
  /** The moment at which the zone's clocks first show, or skip over, a wall-clock time. */
  instant(wallClock: WallClock): number;
}

function createZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });

  const fields = (at: number): number[] => {
    const value = new Map(format.formatToParts(at).map((part) => [part.type, Number(part.value)]));
    return (['year', 'month', 'day', 'hour', 'minute', 'second'] as const).map((name) => value.get(name) ?? 0);
  };

  /** How far the zone's clocks are ahead of UTC at a moment, ms. */
  const offsetAt = (at: number): number => {
    const whole = Math.floor(at / SECOND_MS) * SECOND_MS;
    const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = fields(whole);
    return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
  };

  /** The moment between two moments at which the offset changes. */
  const changeBetween = (before: number, after: number): number => {
    const oldOffset = offsetAt(before);
    let low = before;
    let high = after;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetAt(middle) === oldOffset) low = middle;
      else high = middle;
    }
    return high;
  };

  return {
    wallClock(at) {
      const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = fields(at);
      return { year, month: month - 1, day, minute: hour * 60 + minute };
    },
    instant({ year, month, day, minute }) {
      const asUtc = Date.UTC(year, month, day, 0, minute);
      // No zone changes its clocks twice within two days, so these are the offsets before and after any change near by.
      const early = asUtc - offsetAt(asUtc - DAY_MS);
      const late = asUtc - offsetAt(asUtc + DAY_MS);
      const shows = (at: number): boolean => at + offsetAt(at) === asUtc;
      const shown = [early, late].filter(shows);
      return shown.length > 0 ? Math.min(...shown) : changeBetween(asUtc - DAY_MS - DAY_MS, asUtc + DAY_MS + DAY_MS);
    },
  };
}
