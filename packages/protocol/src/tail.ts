import { joinBytes } from './bytes.ts';
import type { Dialect } from './dialect.ts';
import type { Fields } from './json.ts';
import { asFields, parseJson } from './json.ts';
import { readUsage } from './usage-fields.ts';

/**
 * The last bytes of something too large to keep. Every dialect writes its usage after its content, so the end of an answer
 * is enough to count it by.
 */
export class Tail {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** Keeps at least the last `maxBytes` bytes, plus what is left of the chunk in which they begin. */
  constructor(maxBytes = 64 * 1024) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): void {
    // A copy, so that a small rest does not hold a large chunk.
    const part = chunk.slice(Math.max(chunk.length - this.#maxBytes, 0));
    this.#parts.push(part);
    this.#bytes += part.length;
    while (this.#parts.length > 1 && this.#bytes - (this.#parts[0]?.length ?? 0) >= this.#maxBytes) {
      this.#bytes -= this.#parts.shift()?.length ?? 0;
    }
  }

  /** The last usage object in the kept bytes, undefined if there is none. */
  usageFields(dialect: Dialect): Fields | undefined {
    const text = new TextDecoder().decode(joinBytes(this.#parts, this.#bytes));
    // Not without end: every try may look at all that follows.
    for (let tries = 0, key = text.lastIndexOf('"usage'); tries < 8 && key >= 0; tries += 1) {
      const fields = asFields(parseJson(objectAfter(text, key)));
      if (fields !== undefined && readUsage(dialect, fields) !== undefined) return fields;
      key = key === 0 ? -1 : text.lastIndexOf('"usage', key - 1);
    }
    return undefined;
  }
}

/** The text of the object that is the value of the key at `key`; empty if its value is none or does not end. */
function objectAfter(text: string, key: number): string {
  const start = /^"\w+"\s*:\s*(?=\{)/.exec(text.slice(key, key + 64))?.[0].length;
  if (start === undefined) return '';
  let depth = 0;
  let inString = false;
  for (let index = key + start; index < text.length; index += 1) {
    const character = text[index];
    if (inString) {
      if (character === '\\') index += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) return text.slice(key + start, index + 1);
    }
  }
  return '';
}
