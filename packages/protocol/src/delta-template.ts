import type { SseEvent } from './sse.ts';

/** So many events in a row that did not fit: this stream varies more than the text in its deltas (numbers, padding). */
const maxMisses = 16;

/**
 * Recognises deltas without parsing them. The deltas of a stream mostly differ in one string only, so an event that equals
 * the last parsed one before and after its text, with a text free of quotes and escapes between, would parse to the same
 * with another text. This halves the cost of watching a stream, and is exact: whatever does not fit is to be parsed.
 */
export class DeltaTemplate {
  #event = '';
  #head = '';
  #tail = '';
  #learned = false;
  #misses = 0;

  /** The text of an event that fits; undefined if it has to be parsed. */
  match(event: SseEvent): string | undefined {
    if (!this.#learned) return undefined;
    const data = event.data;
    const end = data.length - this.#tail.length;
    if (end < this.#head.length || event.event !== this.#event || !data.startsWith(this.#head) || !data.endsWith(this.#tail)) {
      return undefined;
    }
    const text = data.slice(this.#head.length, end);
    if (text.includes('"') || text.includes('\\')) return undefined;
    this.#misses = 0;
    return text;
  }

  /** `event` did not fit, was parsed, and had `text` as its only text: the next ones may look like it. */
  learn(event: SseEvent, text: string): void {
    if (this.#misses > maxMisses) return;
    this.#misses += 1;
    if (text.includes('"') || event.data.includes('\\')) return;
    const written = `"${text}"`;
    const start = event.data.indexOf(written);
    // Standing in two places: which one is the text would be a guess.
    if (start < 0 || event.data.includes(written, start + 1)) return;
    this.#event = event.event;
    this.#head = event.data.slice(0, start + 1);
    this.#tail = event.data.slice(start + 1 + text.length);
    this.#learned = true;
  }
}
