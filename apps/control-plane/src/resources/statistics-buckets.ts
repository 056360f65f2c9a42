import { calendarOf, type Span } from '@hub/limits';

/** The spans that a chart has one point for each. */

export const timeRanges = ['today', '7days', '30days', 'thisMonth'] as const;
export type TimeRange = (typeof timeRanges)[number];

export interface Buckets {
  readonly resolution: 'hour' | 'day';
  /** In their order and without gaps: each ends where the next begins. `date` is its name in the chart. */
  readonly buckets: readonly (Span & { readonly date: string })[];
}

/** Hours of today, or days up to and with today, by the clock of a zone. @param now epoch ms */
export function bucketsOf(range: TimeRange, now: number, timeZone: string): Buckets {
  const calendar = calendarOf(timeZone);
  const today = calendar.day(now, 0);
  if (range === 'today') {
    return { resolution: 'hour', buckets: hoursOf(today, timeZone).map((hour) => ({ ...hour, date: new Date(hour.start).toISOString() })) };
  }
  const earliest = range === 'thisMonth' ? calendar.month(now).start : -Infinity;
  const most = range === '7days' ? 7 : range === '30days' ? 30 : 31;
  const days: Span[] = [today];
  for (let first = today; days.length < most && first.start > earliest; ) {
    first = calendar.day(first.start - 1, 0);
    days.unshift(first);
  }
  return { resolution: 'day', buckets: days.map((day) => ({ ...day, date: dateOf(day.start, timeZone) })) };
}

/** No zone's clock is put forward or back by less; ms. */
const finestStep = 15 * 60_000;

/**
 * An hour begins when the clock shows another one, or the same one again after it was put back: 23 or 25 hours on the days
 * when that happens, and half ones where it is put by half an hour.
 */
function hoursOf(day: Span, timeZone: string): Span[] {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, hour: '2-digit', hourCycle: 'h23', timeZoneName: 'longOffset' });
  const starts: number[] = [];
  let shown = '';
  for (let at = day.start; at < day.end; at += finestStep) {
    const hour = format.format(at);
    if (hour !== shown) starts.push(at);
    shown = hour;
  }
  return starts.map((start, position) => ({ start, end: starts[position + 1] ?? day.end }));
}

/** `YYYY-MM-DD` by the clock of a zone. @param at epoch ms */
export function dateOf(at: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(at);
}
