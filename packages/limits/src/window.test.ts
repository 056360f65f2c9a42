import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketOf,
  calendarOf,
  DAY_BUCKET_MS,
  DAY_MS,
  FIVE_HOUR_BUCKET_MS,
  FIVE_HOURS_MS,
  firstLiveBucket,
} from './window.ts';
import type { Span } from './window.ts';

const iso = ({ start, end }: Span): string => `${new Date(start).toISOString()} ${new Date(end).toISOString()}`;
const at = (text: string): number => Date.parse(text);
const HALF_PAST_TWO = 150;

describe('calendar windows', () => {
  it.each<[string, string, number, string, string]>([
    ['UTC', '2026-11-24T08:00:00Z', 0, '2026-11-24T00:00:00.000Z 2026-11-25T00:00:00.000Z', 'an ordinary day'],
    ['UTC', '2026-11-24T08:00:00Z', 1080, '2026-11-23T18:00:00.000Z 2026-11-24T18:00:00.000Z', 'before the reset time'],
    ['UTC', '2026-11-24T18:00:00Z', 1080, '2026-11-24T18:00:00.000Z 2026-11-25T18:00:00.000Z', 'at the reset time'],
    ['Asia/Shanghai', '2026-11-23T15:59:59.999Z', 0, '2026-11-22T16:00:00.000Z 2026-11-23T16:00:00.000Z', 'east of UTC'],
    ['Asia/Kolkata', '2026-11-23T18:30:00Z', 0, '2026-11-23T18:30:00.000Z 2026-11-24T18:30:00.000Z', 'a half-hour zone'],
    ['Asia/Kathmandu', '2026-11-23T18:00:00Z', 0, '2026-11-22T18:15:00.000Z 2026-11-23T18:15:00.000Z', 'a 45-minute zone'],
    ['Europe/Berlin', '2026-03-29T12:00:00Z', 0, '2026-03-28T23:00:00.000Z 2026-03-29T22:00:00.000Z', '23 hours'],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', 0, '2026-10-24T22:00:00.000Z 2026-10-25T23:00:00.000Z', '25 hours'],
    ['Europe/Berlin', '2026-03-29T12:00:00Z', HALF_PAST_TWO, '2026-03-29T01:00:00.000Z 2026-03-30T00:30:00.000Z', 'a reset time that is skipped'],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', HALF_PAST_TWO, '2026-10-25T00:30:00.000Z 2026-10-26T01:30:00.000Z', 'a reset time that comes twice'],
    ['America/New_York', '2026-11-01T12:00:00Z', 0, '2026-11-01T04:00:00.000Z 2026-11-02T05:00:00.000Z', '25 hours, west'],
    ['America/New_York', '2026-03-08T12:00:00Z', 0, '2026-03-08T05:00:00.000Z 2026-03-09T04:00:00.000Z', '23 hours, west'],
    ['Australia/Lord_Howe', '2026-04-04T18:00:00Z', 0, '2026-04-04T13:00:00.000Z 2026-04-05T13:30:00.000Z', '24.5 hours'],
    ['Africa/Cairo', '2026-04-24T12:00:00Z', 0, '2026-04-23T22:00:00.000Z 2026-04-24T21:00:00.000Z', 'midnight is skipped'],
    ['Pacific/Apia', '2011-12-31T00:00:00Z', 0, '2011-12-30T10:00:00.000Z 2011-12-31T10:00:00.000Z', 'after a skipped date'],
  // B02 in docs/complaints.md.
  ])('%s %s from minute %i is %s (%s)', (zone, moment, minute, expected) => {
    expect(iso(calendarOf(zone).day(at(moment), minute))).toBe(expected);
  });

  it.each<[string, string, string]>([
    ['Asia/Shanghai', '2026-11-22T15:59:59Z', '2026-11-15T16:00:00.000Z 2026-11-22T16:00:00.000Z'],
    ['Asia/Shanghai', '2026-11-22T16:00:00Z', '2026-11-22T16:00:00.000Z 2026-11-29T16:00:00.000Z'],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-18T22:00:00.000Z 2026-10-25T23:00:00.000Z'],
  // B03 in docs/complaints.md.
  ])('a week of %s at %s is %s', (zone, moment, expected) => {
    expect(iso(calendarOf(zone).week(at(moment)))).toBe(expected);
  });

  it.each<[string, string, string]>([
    ['Asia/Shanghai', '2026-11-30T16:00:00Z', '2026-11-30T16:00:00.000Z 2026-12-31T16:00:00.000Z'],
    ['Europe/Berlin', '2026-03-15T12:00:00Z', '2026-02-28T23:00:00.000Z 2026-03-31T22:00:00.000Z'],
    ['UTC', '2028-02-29T23:59:59Z', '2028-02-01T00:00:00.000Z 2028-03-01T00:00:00.000Z'],
  ])('a month of %s at %s is %s', (zone, moment, expected) => {
    expect(iso(calendarOf(zone).month(at(moment)))).toBe(expected);
  });

  it('refuse a zone that does not exist', () => {
    expect(() => calendarOf('Mars/Olympus')).toThrow(RangeError);
  });

  const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
  const moments = fc.integer({ min: at('2000-01-01T00:00:00Z'), max: at('2037-12-31T00:00:00Z') });

  // B01 in docs/complaints.md.
  it('contain their moment, join without gap or overlap and begin at their wall-clock time', () => {
    fc.assert(
      fc.property(zones, moments, fc.integer({ min: 0, max: 1439 }), (zone, moment, minute) => {
        const calendar = calendarOf(zone);
        for (const window of [(t: number) => calendar.day(t, minute), calendar.week, calendar.month]) {
          const span = window(moment);
          expect(span.start).toBeLessThanOrEqual(moment);
          expect(span.end).toBeGreaterThan(moment);
          expect(window(span.end).start).toBe(span.end);
          expect(window(span.start - 1).end).toBe(span.start);
          expect(window(span.start)).toEqual(span);
        }
        const hours = (calendar.day(moment, minute).end - calendar.day(moment, minute).start) / 3_600_000;
        expect(hours).toBeGreaterThanOrEqual(22);
        // 47: a date that a zone skipped when it moved over the date line belongs to the day before it.
        expect(hours).toBeLessThanOrEqual(48);
      }),
      { numRuns: 150 },
    );
  });
});

describe('rolling windows', () => {
  it('keep a bucket until it lies wholly outside', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 42 }),
        fc.integer({ min: 0, max: DAY_MS }),
        fc.constantFrom([FIVE_HOURS_MS, FIVE_HOUR_BUCKET_MS] as const, [DAY_MS, DAY_BUCKET_MS] as const),
        (spentAt, age, [windowMs, bucketMs]) => {
          const live = bucketOf(spentAt, bucketMs) >= firstLiveBucket(spentAt + age, windowMs, bucketMs);
          if (age < windowMs) expect(live).toBe(true);
          if (age > windowMs + bucketMs) expect(live).toBe(false);
        },
      ),
    );
  });

  it('have a bounded number of buckets', () => {
    const now = at('2026-11-24T08:02:03Z');
    const count = (windowMs: number, bucketMs: number): number =>
      bucketOf(now, bucketMs) - firstLiveBucket(now, windowMs, bucketMs) + 1;
    expect(count(FIVE_HOURS_MS, FIVE_HOUR_BUCKET_MS)).toBe(61);
    expect(count(DAY_MS, DAY_BUCKET_MS)).toBe(97);
  });
});
