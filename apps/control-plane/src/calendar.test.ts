import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dailyWindow, instant, midnight, monthlyWindow, wallTime, weeklyWindow } from './calendar.ts';

const at = (text: string): number => Date.parse(text);
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

describe('windows in Asia/Shanghai', () => {
  const now = at('2026-11-23T07:11:20.840Z');
  const zone = 'Asia/Shanghai';

  it('begins the day at its time of day', () => {
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', time: '00:00' }).start)).toBe('2026-11-22T16:00:00.000Z');
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', time: '00:00' }).resetAt)).toBe('2026-11-23T16:00:00.000Z');
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', time: '8:30' }).resetAt)).toBe('2026-11-24T00:30:00.000Z');
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', time: '23:00' }).start)).toBe('2026-11-22T15:00:00.000Z');
    expect(iso(midnight(now, zone))).toBe('2026-11-22T16:00:00.000Z');
  });

  it('rolls without a reset', () => {
    expect(dailyWindow(now, zone, { mode: 'rolling', time: '06:00' })).toEqual({ start: now - 86_400_000, resetAt: undefined });
  });

  it('begins weeks on Monday and months on the first', () => {
    expect(iso(weeklyWindow(now, zone).start)).toBe('2026-11-22T16:00:00.000Z');
    expect(iso(weeklyWindow(at('2026-11-22T15:59:59Z'), zone).start)).toBe('2026-11-15T16:00:00.000Z');
    expect(iso(monthlyWindow(now, zone).start)).toBe('2026-10-31T16:00:00.000Z');
    expect(iso(monthlyWindow(at('2026-12-31T16:00:00Z'), zone).resetAt)).toBe('2027-01-31T16:00:00.000Z');
  });
});

describe('days that are not 24 hours long', () => {
  it('has 23 hours in New York on 2026-03-08 and 25 on 2026-11-01', () => {
    const hours = (text: string) => {
      const { start, resetAt = 0 } = dailyWindow(at(text), 'America/New_York', { mode: 'fixed', time: '00:00' });
      return (resetAt - start) / 3_600_000;
    };
    expect(hours('2026-03-08T18:00:00Z')).toBe(23);
    expect(hours('2026-11-01T18:00:00Z')).toBe(25);
    expect(hours('2026-11-02T18:00:00Z')).toBe(24);
  });

  it('takes the first of two equal times, and goes past a gap', () => {
    expect(iso(instant(at('2026-11-01T01:30:00Z'), 'America/New_York'))).toBe('2026-11-01T05:30:00.000Z');
    expect(iso(instant(at('2026-03-08T02:30:00Z'), 'America/New_York'))).toBe('2026-03-08T07:30:00.000Z');
  });

  it('knows half-hour zones', () => {
    expect(iso(midnight(at('2026-06-01T12:00:00Z'), 'Asia/Kolkata'))).toBe('2026-05-31T18:30:00.000Z');
  });
});

describe('always', () => {
  const zones = fc.constantFrom('Asia/Shanghai', 'America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC', 'America/Santiago');
  const moments = fc.integer({ min: at('2000-01-01T00:00:00Z'), max: at('2040-01-01T00:00:00Z') });
  const times = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 })).map(([h, m]) => `${h}:${String(m).padStart(2, '0')}`);

  it('the day contains its moment, is at most 25 hours long, and the next one begins where it ends', () => {
    fc.assert(
      fc.property(moments, zones, times, (now, zone, time) => {
        const reset = { mode: 'fixed', time } as const;
        const { start, resetAt = Number.NaN } = dailyWindow(now, zone, reset);
        expect(start).toBeLessThanOrEqual(now);
        expect(resetAt).toBeGreaterThan(now);
        expect(resetAt - start).toBeLessThanOrEqual(25 * 3_600_000);
        expect(dailyWindow(resetAt, zone, reset).start).toBe(resetAt);
      }),
      { numRuns: 300 },
    );
  });

  it('instant undoes wallTime, but for the second of two equal times', () => {
    fc.assert(
      fc.property(moments, zones, (now, zone) => {
        const moment = now - (now % 1000);
        const wall = wallTime(moment, zone);
        expect(wallTime(instant(wall, zone), zone)).toBe(wall);
        expect(instant(wall, zone)).toBeLessThanOrEqual(moment);
      }),
      { numRuns: 300 },
    );
  });
});
