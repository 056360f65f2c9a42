import { ByteBuffer, utf8Length } from './bytes.ts';

/**
 * Server-sent events, both ways. The decoder follows the WHATWG rules (CR, LF and CRLF, one leading BOM, comments,
 * `data:` with and without a space) with one difference: what stands unfinished at the end is still delivered, since
 * many upstreams close right after their last line.
 */

/** One event. `event` is empty for the default type ("message"); `id` is set only if this event carried one. */
export interface SseEvent {
  event: string;
  data: string;
  id?: string;
}

/** Default ceiling for one event: 10 MiB, above any honest event (images travel as base64 inside one). */
export const defaultMaxEventBytes = 10 * 1024 * 1024;

/** One event grew beyond the ceiling. Nothing of it is kept. */
export class SseEventTooLarge extends Error {
  override readonly name = 'SseEventTooLarge';
  /** The ceiling, bytes. */
  readonly maxEventBytes: number;

  constructor(maxEventBytes: number) {
    super(`a server-sent event is larger than ${maxEventBytes} bytes`);
    this.maxEventBytes = maxEventBytes;
  }
}

export interface SseDecoderOptions {
  /** Ceiling for one event's lines, bytes. Unset: 10 MiB. */
  maxEventBytes?: number;
  /**
   * What an event above the ceiling does. Unset or `throw`: `push` throws SseEventTooLarge, and so does every later call.
   * A function: the event is dropped, the function gets its type, and decoding goes on with the next event.
   */
  onTooLarge?: 'throw' | ((event: string) => void);
}

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const colon = 58;
const byteOrderMark = 0xfeff;
const nothing = new Uint8Array(0);

/**
 * Turns chunks of bytes, however they are cut, into events.
 *
 * Work is done on whole lines only: bytes after the last line end of a chunk wait as they are, so a character that is cut
 * in two never meets the text decoder, and a long line in many small chunks is joined once, not once per chunk. The
 * ceiling counts an unfinished event's lines without their line ends, and is checked before bytes are kept.
 */
export class SseDecoder {
  readonly #maxEventBytes: number;
  readonly #onTooLarge: 'throw' | ((event: string) => void);
  // ignoreBOM: only the very first bytes may carry a byte order mark, later ones are text.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #waiting = new ByteBuffer();
  #started = false;
  #afterCarriageReturn = false;
  #failed = false;
  /** Dropping lines until the blank one that ends an event above the ceiling. */
  #skippingEvent = false;
  /** Dropping bytes until the end of a line that is itself above the ceiling. */
  #skippingLine = false;
  #event = '';
  #data: string | undefined;
  #id: string | undefined;
  #eventBytes = 0;

  constructor(options: SseDecoderOptions = {}) {
    this.#maxEventBytes = options.maxEventBytes ?? defaultMaxEventBytes;
    this.#onTooLarge = options.onTooLarge ?? 'throw';
  }

  /**
   * The events that `chunk` completes, in order. When it throws SseEventTooLarge, events before that one in the same chunk
   * are lost with it.
   */
  push(chunk: Uint8Array): SseEvent[] {
    if (this.#failed) throw new SseEventTooLarge(this.#maxEventBytes);
    const events: SseEvent[] = [];
    const end = lastLineEnd(chunk) + 1;
    if (end > 0) this.#lines(this.#join(chunk.subarray(0, end)), events);
    if (end < chunk.length) this.#wait(end === 0 ? chunk : chunk.subarray(end));
    return events;
  }

  /** The stream is over: delivers what stands unfinished. */
  end(): SseEvent[] {
    if (this.#failed) throw new SseEventTooLarge(this.#maxEventBytes);
    const events: SseEvent[] = [];
    if (this.#waiting.length > 0) this.#lines(this.#waiting.take(), events);
    this.#dispatch(events);
    return events;
  }

  #wait(bytes: Uint8Array): void {
    if (this.#skippingLine) return;
    if (this.#eventBytes + this.#waiting.length + bytes.length > this.#maxEventBytes) {
      this.#skippingLine = true;
      this.#tooLarge();
      return;
    }
    this.#waiting.append(bytes);
  }

  /** `bytes`, after what waited for them. */
  #join(bytes: Uint8Array): Uint8Array {
    if (this.#waiting.length === 0) return bytes;
    this.#waiting.append(bytes);
    return this.#waiting.take();
  }

  #tooLarge(): void {
    this.#waiting.clear();
    const event = this.#event;
    this.#clear();
    if (this.#onTooLarge === 'throw') {
      this.#failed = true;
      throw new SseEventTooLarge(this.#maxEventBytes);
    }
    if (!this.#skippingEvent) this.#onTooLarge(event);
    this.#skippingEvent = true;
  }

  /** `bytes` are whole lines (at the very end the last one may lack its line end). */
  #lines(bytes: Uint8Array, events: SseEvent[]): void {
    let whole = bytes;
    if (this.#afterCarriageReturn && whole[0] === lineFeed) whole = whole.subarray(1);
    if (whole.length === 0) {
      this.#afterCarriageReturn = false;
      return;
    }
    this.#afterCarriageReturn = whole[whole.length - 1] === carriageReturn;
    if (this.#skippingLine) {
      this.#skippingLine = false;
      whole = afterFirstLine(whole);
    }
    let text = this.#decoder.decode(whole);
    const ascii = text.length === whole.length;
    if (!this.#started && text.length > 0) {
      this.#started = true;
      if (text.charCodeAt(0) === byteOrderMark) text = text.slice(1);
    }
    if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');
    let position = 0;
    while (position < text.length) {
      let end = text.indexOf('\n', position);
      if (end < 0) end = text.length;
      if (end === position) this.#dispatch(events);
      else if (!this.#skippingEvent) this.#line(text, position, end, ascii);
      position = end + 1;
    }
  }

  #line(text: string, start: number, end: number, ascii: boolean): void {
    const bytes = ascii ? end - start : utf8Length(text.slice(start, end));
    if (this.#eventBytes + bytes > this.#maxEventBytes) {
      this.#tooLarge();
      return;
    }
    if (text.charCodeAt(start) === colon) return;
    this.#eventBytes += bytes;
    if (text.startsWith('data:', start)) this.#addData(fieldValue(text, start + 5, end));
    else if (text.startsWith('event:', start)) this.#event = fieldValue(text, start + 6, end);
    else if (text.startsWith('id:', start)) this.#setId(fieldValue(text, start + 3, end));
    // A line without a colon is a field with an empty value.
    else if (text.slice(start, end) === 'data') this.#addData('');
    else if (text.slice(start, end) === 'event') this.#event = '';
  }

  #addData(value: string): void {
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
  }

  #setId(value: string): void {
    if (!value.includes('\0')) this.#id = value;
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data !== undefined) {
      const event: SseEvent = { event: this.#event, data: this.#data };
      if (this.#id !== undefined) event.id = this.#id;
      events.push(event);
    }
    this.#skippingEvent = false;
    this.#clear();
  }

  #clear(): void {
    this.#event = '';
    this.#data = undefined;
    this.#id = undefined;
    this.#eventBytes = 0;
  }
}

/** Index of the last CR or LF, -1 if there is none. Scans backwards, since chunks usually end with one. */
function lastLineEnd(bytes: Uint8Array): number {
  for (let index = bytes.length - 1; index >= 0; index -= 1) {
    const byte = bytes[index];
    if (byte === lineFeed || byte === carriageReturn) return index;
  }
  return -1;
}

function afterFirstLine(bytes: Uint8Array): Uint8Array {
  for (let index = 0; index < bytes.length; index += 1) {
    if (bytes[index] === lineFeed) return bytes.subarray(index + 1);
    if (bytes[index] === carriageReturn) return bytes.subarray(bytes[index + 1] === lineFeed ? index + 2 : index + 1);
  }
  return nothing;
}

function fieldValue(text: string, start: number, end: number): string {
  return text.slice(text.charCodeAt(start) === space ? start + 1 : start, end);
}

/** One event as text, ending in its blank line. Line ends inside `data` become further `data:` lines. */
export function encodeSse(event: SseEvent): string {
  const head = (event.id === undefined ? '' : `id: ${event.id}\n`) + (event.event === '' ? '' : `event: ${event.event}\n`);
  if (!/[\r\n]/.test(event.data)) return `${head}data: ${event.data}\n\n`;
  return `${head}${event.data.split(/\r\n?|\n/).map((line) => `data: ${line}\n`).join('')}\n`;
}

const encoder = new TextEncoder();

/** The same as bytes, as they go on the wire. */
export function encodeSseBytes(event: SseEvent): Uint8Array {
  return encoder.encode(encodeSse(event));
}
