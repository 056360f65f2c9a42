import { utf8Length } from './bytes.ts';

/** Reading values of unknown shape: every reader answers `undefined` instead of throwing. */

/** A JSON object of unknown content. */
export type Fields = Record<string, unknown>;

/** The value as an object (no array, no null). */
export function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

export function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

/** A string that is not empty. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A whole number of things, also when written as a string; negative counts are 0. */
export function asCount(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
  return Math.min(Math.max(Math.trunc(number), 0), Number.MAX_SAFE_INTEGER);
}

/** Parsed JSON, or undefined for a text that is none. (JSON `null` is null.) */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Length of the value's JSON, UTF-8 bytes; 0 if it cannot be written (nested too deep). */
export function jsonBytes(value: unknown): number {
  try {
    return utf8Length(JSON.stringify(value) ?? '');
  } catch {
    return 0;
  }
}
