import { joinBytes } from './bytes.ts';

const quote = 34;
const backslash = 92;
const openBrace = 123;
const closeBrace = 125;

export interface JsonSplitterOptions {
  /** Ceiling for one object, bytes. */
  maxObjectBytes: number;
  /** An object went above the ceiling; it is skipped. */
  onTooLarge: () => void;
}

/**
 * Cuts a stream of JSON objects, in an array or one after the other, into the texts of its objects while it arrives. This
 * is how Gemini streams without `alt=sse`. Only braces and strings are looked at; whether an object is valid JSON shows
 * when it is parsed.
 */
export class JsonSplitter {
  readonly #options: JsonSplitterOptions;
  readonly #decoder = new TextDecoder();
  #depth = 0;
  #inString = false;
  #escaped = false;
  #skipping = false;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(options: JsonSplitterOptions) {
    this.#options = options;
  }

  /** Texts of the objects that `chunk` completes. The chunk's bytes may be kept, so they must not be overwritten. */
  push(chunk: Uint8Array): string[] {
    const texts: string[] = [];
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index];
      if (this.#inString) this.#step(byte);
      else if (byte === quote) this.#inString = this.#depth > 0;
      else if (byte === openBrace) {
        if (this.#depth === 0) start = index;
        this.#depth += 1;
      } else if (byte === closeBrace && this.#depth > 0) {
        this.#depth -= 1;
        if (this.#depth === 0) this.#complete(chunk.subarray(start, index + 1), texts);
      }
    }
    if (this.#depth > 0) this.#wait(chunk.subarray(start));
    return texts;
  }

  #step(byte: number | undefined): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === backslash) this.#escaped = true;
    else if (byte === quote) this.#inString = false;
  }

  #wait(bytes: Uint8Array): void {
    if (this.#skipping) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes <= this.#options.maxObjectBytes) return;
    this.#skipping = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#options.onTooLarge();
  }

  #complete(bytes: Uint8Array, texts: string[]): void {
    if (!this.#skipping) {
      const parts = this.#waiting;
      if (parts.length === 0) texts.push(this.#decoder.decode(bytes));
      else texts.push(this.#decoder.decode(joinBytes([...parts, bytes], this.#waitingBytes + bytes.length)));
    }
    this.#skipping = false;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}
