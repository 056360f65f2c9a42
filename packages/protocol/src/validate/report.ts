import { asFields, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import type { SseEvent } from '../sse.ts';

/** What is wrong with a stream, each problem with the number of the event at which it shows (from 1). */
export class Report {
  readonly problems: string[] = [];
  #position = 0;
  #terminal: string | undefined;

  /** Goes on to the next event; what follows the end of the stream is a problem. */
  next(label: string): void {
    this.#position += 1;
    if (this.#terminal !== undefined) this.add(`${label} after ${this.#terminal}`);
  }

  add(problem: string): void {
    this.problems.push(`event ${this.#position}: ${problem}`);
  }

  /** Adds the problem unless `condition` holds. */
  expect(condition: boolean, problem: string): boolean {
    if (!condition) this.add(problem);
    return condition;
  }

  /** The stream is over with this event. */
  terminal(label: string): void {
    this.#terminal ??= label;
  }

  get ended(): boolean {
    return this.#terminal !== undefined;
  }

  /** The stream was cut here. */
  finish(): string[] {
    if (this.#terminal === undefined) this.problems.push(`end: the stream has no terminal event`);
    return this.problems;
  }

  /** The event's payload, a JSON object. */
  payload(event: SseEvent): Fields | undefined {
    const payload = asFields(parseJson(event.data));
    this.expect(payload !== undefined, 'data is not a JSON object');
    return payload;
  }
}

/** True for a number of things: whole and not negative. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** True for the text of a JSON object; tool arguments are one. */
export function isObjectText(text: string): boolean {
  return asFields(parseJson(text)) !== undefined;
}
