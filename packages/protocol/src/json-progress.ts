const quote = 34;
const backslash = 92;

/** Follows a JSON text that arrives in pieces, and knows when the value at its top is whole. Keeps three small numbers. */
export class JsonProgress {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #begun = false;

  /** An object or array was opened and everything opened is closed again. */
  get complete(): boolean {
    return this.#begun && this.#depth === 0 && !this.#inString;
  }

  feed(text: string): void {
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index);
      if (this.#inString) this.#insideString(unit);
      else if (unit === quote) this.#inString = true;
      else if (unit === 123 || unit === 91) {
        this.#depth += 1;
        this.#begun = true;
      } else if (unit === 125 || unit === 93) this.#depth -= 1;
    }
  }

  #insideString(unit: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (unit === backslash) this.#escaped = true;
    else if (unit === quote) this.#inString = false;
  }
}
