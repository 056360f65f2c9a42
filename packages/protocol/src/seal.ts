import type { ReasoningPart, Seal } from './chat.ts';
import type { Dialect } from './dialect.ts';
import { asArray, asFields, asText, parseJson } from './json.ts';
import { asString } from './fields.ts';

/**
 * How a seal travels through a client of another dialect and comes back. Such a client has one opaque text for it
 * (`signature`, `encrypted_content`, …) and repeats it word for word. A foreign seal is written there with a mark that
 * names its origin; a text without the mark was made by the client's own kind of upstream.
 */
const mark = 'hub1.';
/** The mark as base64, for the dialect whose field must be base64. The mark's last two characters spill into the next digit. */
const base64Mark = 'aHViMS';

/** A body in which neither text occurs holds no reasoning that this hub sealed. */
export const sealMarks: readonly string[] = [mark, base64Mark];

const letters: Record<Dialect, string> = { anthropic: 'a', 'openai-chat': 'c', 'openai-responses': 'r', gemini: 'g' };

/** Bundles above this many characters of reasoning are not worth their bytes in every later request. */
const maxBundleCharacters = 64 * 1024;

/** The seal as the text that a client of dialect `own` keeps. */
export function writeSeal(own: Dialect, seal: Seal): string {
  if (seal.origin === own && seal.redacted !== true) return seal.data;
  const id = seal.id ?? '';
  return `${mark}${letters[seal.origin]}${seal.redacted === true ? 'x' : ''}.${id.length}.${id}${seal.data}`;
}

/** What a client of dialect `own` kept, as a seal. An unmarked text is `own`'s. */
export function readSeal(own: Dialect, text: string, id?: string): Seal {
  const match = /^hub1\.([acrg])(x?)\.(\d{1,4})\./.exec(text);
  if (match === null) return id === undefined ? { origin: own, data: text } : { origin: own, data: text, id };
  const start = match[0].length;
  const end = start + Number(match[3]);
  const seal: Seal = { origin: originOf(match[1]), data: text.slice(end) };
  if (end > start) seal.id = text.slice(start, end);
  if (match[2] === 'x') seal.redacted = true;
  return seal;
}

function originOf(letter: string | undefined): Dialect {
  if (letter === 'a') return 'anthropic';
  if (letter === 'c') return 'openai-chat';
  return letter === 'g' ? 'gemini' : 'openai-responses';
}

/** The text carries the mark: an upstream of the client's own dialect would refuse it. */
export function isMarked(text: string): boolean {
  return text.startsWith(mark) || text.startsWith(base64Mark);
}

/**
 * Reasoning with its text, as one base64 text: Gemini's clients keep only the signature of a function call, and drop the
 * thoughts before it. Undefined if there is nothing worth keeping or it is too much.
 */
export function writeBundle(parts: readonly ReasoningPart[]): string | undefined {
  const pieces = parts.filter((part) => part.seal !== undefined);
  const characters = pieces.reduce((sum, part) => sum + part.text.length + (part.seal?.data.length ?? 0), 0);
  if (pieces.length === 0 || characters > maxBundleCharacters) return undefined;
  const list = pieces.map((part) => ({ t: part.text, s: part.seal === undefined ? '' : writeSeal('gemini', part.seal) }));
  const bytes = new TextEncoder().encode(mark + JSON.stringify(list));
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The reasoning in a text made by `writeBundle`; undefined for a signature that is Gemini's own. */
export function readBundle(text: string): ReasoningPart[] | undefined {
  if (!text.startsWith(base64Mark)) return undefined;
  const json = parseJson(fromBase64(text).slice(mark.length));
  const parts: ReasoningPart[] = [];
  for (const item of asArray(json) ?? []) {
    const fields = asFields(item);
    const seal = asText(fields?.s);
    if (seal !== undefined) parts.push({ type: 'reasoning', text: asString(fields?.t) ?? '', seal: readSeal('gemini', seal) });
  }
  return parts;
}

function fromBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
  } catch {
    return '';
  }
}
