import { asFields } from './json.ts';
import type { Fields } from './json.ts';

/** A string, the empty one included. */
export function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A finite number; numbers written as strings are not taken. */
export function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function asBoolean(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** The objects of an array, everything else left out; empty if `value` is no array. */
export function objectsOf(value: unknown): Fields[] {
  if (!Array.isArray(value)) return [];
  const objects: Fields[] = [];
  for (const item of value) {
    const fields = asFields(item);
    if (fields) objects.push(fields);
  }
  return objects;
}

/** The strings of an array that are not empty; a single string counts as an array of one. */
export function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (!Array.isArray(value)) return [];
  return value.filter((item): item is string => typeof item === 'string' && item !== '');
}

/** Names of the fields that carry something (`null` is as good as absent) and are not in `known`. */
export function unreadNames(fields: Fields, known: ReadonlySet<string>): string[] {
  return Object.keys(fields).filter((name) => !known.has(name) && fields[name] != null);
}

/** The fields that carry something and are not in `known`. */
export function unread(fields: Fields, known: ReadonlySet<string>): Fields {
  const rest: Fields = {};
  for (const name of unreadNames(fields, known)) rest[name] = fields[name];
  return rest;
}

/** `target[name] = value`, unless the value is undefined: an unset field must not appear on the wire. */
export function put(target: Fields, name: string, value: unknown): void {
  if (value !== undefined) target[name] = value;
}
