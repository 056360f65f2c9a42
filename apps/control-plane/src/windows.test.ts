import { describe, expect, it } from 'vitest';
import { dailyWindow, fiveHourWindow, midnight, minuteOfDay, monthlyWindow, weeklyWindow } from './windows.ts';

const at = (text: string): number => Date.parse(text);
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

describe('windows in Asia/Shanghai', () => {
  const now = at('2026-11-23T07:11:20.840Z');
  const zone = 'Asia/Shanghai';

  // B06 in docs/complaints.md.
  it('begin the day at its time of day', () => {
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', minuteOfDay: 0 }).start)).toBe('2026-11-22T16:00:00.000Z');
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', minuteOfDay: 0 }).resetAt)).toBe('2026-11-23T16:00:00.000Z');
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', minuteOfDay: minuteOfDay('8:30') }).resetAt)).toBe('2026-11-24T00:30:00.000Z');
    expect(iso(dailyWindow(now, zone, { mode: 'fixed', minuteOfDay: minuteOfDay('23:00') }).start)).toBe('2026-11-22T15:00:00.000Z');
    expect(iso(midnight(now, zone))).toBe('2026-11-22T16:00:00.000Z');
  });

  it('roll without a reset', () => {
    expect(dailyWindow(now, zone, { mode: 'rolling', minuteOfDay: 360 })).toEqual({ start: now - 86_400_000, resetAt: undefined });
    expect(fiveHourWindow(now)).toEqual({ start: now - 18_000_000, resetAt: undefined });
  });

  it('begin weeks on Monday and months on the first', () => {
    expect(iso(weeklyWindow(now, zone).start)).toBe('2026-11-22T16:00:00.000Z');
    expect(iso(weeklyWindow(at('2026-11-22T15:59:59Z'), zone).start)).toBe('2026-11-15T16:00:00.000Z');
    expect(iso(monthlyWindow(now, zone).start)).toBe('2026-10-31T16:00:00.000Z');
    expect(iso(monthlyWindow(at('2026-12-31T16:00:00Z'), zone).resetAt)).toBe('2027-01-31T16:00:00.000Z');
  });
});
