import { z } from 'zod';
import type { TextKey } from './texts.ts';

/** The field types that requests are made of. Their messages are keys of the catalogue. */
const text = (key: TextKey): TextKey => key;

/** An id as the transport checks it, before anything else. */
export const idShape = z.number().int().positive();
/** An id that the database can have; anything above int4 is refused here rather than by it. */
export const id = z.number().int(text('notWhole')).positive().max(2_147_483_647, text('tooBig'));

export function filled(max: number) {
  return z.string().min(1, text('required')).max(max, text('tooLong'));
}

export function upTo(max: number) {
  return z.string().max(max, text('tooLong'));
}

/** Numbers may come as text; what is no number is "received NaN". */
export function amount(max: number) {
  return z.coerce.number().min(0, text('tooSmall')).max(max, text('tooBig'));
}

export function whole(min: number, max: number) {
  return z.coerce.number().int(text('notWhole')).min(min, text('tooSmall')).max(max, text('tooBig'));
}

/** Not coerced: only JSON numbers. */
export function strictWhole(min: number, max: number) {
  return z.number().int(text('notWhole')).min(min, text('tooSmall')).max(max, text('tooBig'));
}

/** Milliseconds within bounds, or 0 for off. The text "0" is out of bounds, as in v0.3.42. */
export function timeout(min: number, max: number) {
  return z.union([z.literal(0), whole(min, max)]);
}

export function list(itemMax: number, max: number) {
  return z.array(upTo(itemMax)).max(max, text('tooMany'));
}

export function url(max: number) {
  return z.url(text('notUrl')).max(max, text('tooLong'));
}

export const resetMode = z.enum(['fixed', 'rolling']);
export const twoDigitTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, text('notTimeOfDay'));
export const timeOfDay = z.string().regex(/^([01]?[0-9]|2[0-3]):[0-5][0-9]$/, text('notTimeOfDay'));

const year1970 = 0;
const year10000 = 253_402_300_800_000;

/** @returns undefined if the text is no date, or one that the database cannot hold */
export function parseDate(value: string): Date | undefined {
  const at = Date.parse(value);
  return at >= year1970 && at < year10000 ? new Date(at) : undefined;
}

/** null, "" and absence all mean none; other texts become dates or stay texts, which are then refused as such. */
export function toDate(value: unknown): unknown {
  if (value === null || value === '') return null;
  return typeof value === 'string' ? (parseDate(value) ?? value) : value;
}

/** How spending limits hold; null follows whoever is above: a key its user, a user the system settings. */
export const budgetEnforcement = z
  .enum(['soft', 'hard'])
  .nullable()
  .meta({ description: '`soft`: refused once the limit is reached; `hard`: never exceeded; null: as the user, or the system settings' });

/** In answers it is there only where one was set, so that those without look as v0.3.42's. */
export const enforcementIfSet = z.enum(['soft', 'hard']).optional().meta({ description: 'only if it was set' });

export function enforcementShown(stored: string | null): { budgetEnforcement?: 'soft' | 'hard' } {
  return stored === 'soft' || stored === 'hard' ? { budgetEnforcement: stored } : {};
}

/** In answers: ISO 8601, UTC. */
export const instantText = z.string().meta({ format: 'date-time' });
