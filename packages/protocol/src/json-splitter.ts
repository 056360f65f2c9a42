import { ByteBuffer } from './bytes.ts';

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
  readonly #waiting = new ByteBuffer();

  constructor(options: JsonSplitterOptions) {
    this.#options = options;
  }

  /** Texts of the objects that `chunk` completes. */
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
    this.#waiting.append(bytes);
    if (this.#waiting.length <= this.#options.maxObjectBytes) return;
    this.#skipping = true;
    this.#waiting.clear();
    this.#options.onTooLarge();
  }

  #complete(bytes: Uint8Array, texts: string[]): void {
    if (this.#skipping) this.#skipping = false;
    else if (this.#waiting.length === 0) texts.push(this.#decoder.decode(bytes));
    else {
      this.#waiting.append(bytes);
      texts.push(this.#decoder.decode(this.#waiting.take()));
    }
  }
}
