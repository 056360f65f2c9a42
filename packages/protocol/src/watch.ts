import { ByteBuffer, utf8Length } from './bytes.ts';
import { DeltaTemplate } from './delta-template.ts';
import type { Dialect } from './dialect.ts';
import type { UpstreamError } from './errors.ts';
import { asArray, asFields, asText, parseJson } from './json.ts';
import { JsonSplitter } from './json-splitter.ts';
import { Notes } from './notes.ts';
import { readAnswer } from './read-answer.ts';
import { readDone, readEvent } from './read-event.ts';
import { SseDecoder, defaultMaxEventBytes } from './sse.ts';
import type { SseEvent } from './sse.ts';
import { Tail } from './tail.ts';
import type { Usage } from './usage.ts';

/** Reads along while an answer passes through byte for byte. No call throws: what cannot be read is just not known. */
export interface Watcher {
  push(chunk: Uint8Array): void;
  end(): void;
  /** The newest usage that the upstream gave. */
  readonly usage: Usage | undefined;
  /** The upstream has said its last word on usage. */
  readonly usageFinal: boolean;
  /** Real content was seen, or a complete legal answer without any. Never true because of an error. */
  readonly contentSeen: boolean;
  /** An error object or error event inside the 200. */
  readonly error: UpstreamError | undefined;
  /** The dialect's terminal marker was seen; of a JSON answer: it was whole. */
  readonly finished: boolean;
  readonly model: string | undefined;
  readonly promptCacheKey: string | undefined;
  readonly responseId: string | undefined;
  readonly serviceTier: string | undefined;
  /** Responses: the last event's number; what the hub itself adds to the stream goes on from there. */
  readonly sequenceNumber: number | undefined;
  /** UTF-8 bytes of text, thinking and tool arguments so far, to estimate tokens by when no usage comes. */
  readonly textBytes: number;
}

/** Watches a stream: SSE, or Gemini's JSON array, or one JSON answer where a stream was asked for. */
export function watchStream(dialect: Dialect): Watcher {
  return new StreamWatcher(dialect);
}

/** Watches a JSON answer, of which at most `maxBytes` (default 16 MiB) are kept; of a larger one only usage is read. */
export function watchJson(dialect: Dialect, maxBytes = 16 * 1024 * 1024): Watcher {
  return new JsonWatcher(dialect, maxBytes);
}

const space = 32;
const openBracket = 91;
const openBrace = 123;

class StreamWatcher extends Notes implements Watcher {
  #sse: SseDecoder | undefined;
  #json: JsonSplitter | undefined;
  readonly #template = new DeltaTemplate();
  /** Set while an event too large to keep goes by: its end is enough to count it. */
  #tail: Tail | undefined;

  push(chunk: Uint8Array): void {
    let rest = chunk;
    if (this.#sse === undefined && this.#json === undefined) rest = this.#start(chunk);
    const tailed = this.#tail !== undefined;
    if (this.#sse !== undefined) {
      const events = this.#sse.push(rest);
      this.#keepTail(rest, tailed && events.length > 0);
      for (const event of events) this.#read(event);
    } else if (this.#json !== undefined) {
      const texts = this.#json.push(rest);
      this.#keepTail(rest, tailed && texts.length > 0);
      for (const text of texts) this.#readObject(text);
    }
  }

  end(): void {
    for (const event of this.#sse?.end() ?? []) this.#read(event);
    this.#readTail();
  }

  /** The first byte that is no white space and no byte order mark tells SSE from JSON. Returns what begins with it. */
  #start(chunk: Uint8Array): Uint8Array {
    const start = chunk.findIndex((byte) => byte > space && byte < 0x80);
    if (start < 0) return chunk;
    if (chunk[start] === openBrace || chunk[start] === openBracket) {
      const onTooLarge = () => this.#skip('');
      this.#json = new JsonSplitter({ maxObjectBytes: defaultMaxEventBytes, onTooLarge });
    } else this.#sse = new SseDecoder({ onTooLarge: (event) => this.#skip(event) });
    return chunk.subarray(start);
  }

  #read(event: SseEvent): void {
    const text = this.#template.match(event);
    if (text !== undefined) {
      this.textBytes += utf8Length(text);
      return;
    }
    const texts = this.texts;
    this.#parse(event);
    if (this.texts === texts + 1) this.#template.learn(event, this.lastText);
  }

  #parse(event: SseEvent): void {
    const data = event.data;
    if (data === '[DONE]') {
      readDone(this);
      return;
    }
    const body = parseJson(data);
    for (const item of asArray(body) ?? [body]) {
      const payload = asFields(item);
      if (payload !== undefined) readEvent(this, payload, event.event);
      else if (event.event === 'error') this.error ??= { status: 500, message: asText(item) ?? data.slice(0, 500) };
    }
  }

  #readObject(text: string): void {
    const payload = asFields(parseJson(text));
    if (payload === undefined) return;
    if (this.dialect === 'gemini') readEvent(this, payload, '');
    else readAnswer(this, payload);
  }

  /** No error is that large, so what goes by is content. */
  #skip(event: string): void {
    this.contentSeen = true;
    if (event === 'response.completed' || event === 'response.incomplete') this.finished = true;
    this.#tail = new Tail();
  }

  #keepTail(chunk: Uint8Array, over: boolean): void {
    if (this.#tail === undefined) return;
    this.#tail.push(chunk);
    if (over) this.#readTail();
  }

  #readTail(): void {
    const fields = this.#tail?.usageFields(this.dialect);
    this.#tail = undefined;
    if (fields === undefined) return;
    this.addUsage({ usage: fields });
    if (this.finished) this.usageFinal = true;
  }
}

class JsonWatcher extends Notes implements Watcher {
  readonly #maxBytes: number;
  readonly #body = new ByteBuffer();
  /** Set once the answer is too large to keep. */
  #tail: Tail | undefined;

  constructor(dialect: Dialect, maxBytes: number) {
    super(dialect);
    this.#maxBytes = maxBytes;
  }

  push(chunk: Uint8Array): void {
    if (this.#tail === undefined && this.#body.length + chunk.length <= this.#maxBytes) {
      this.#body.append(chunk);
      return;
    }
    if (this.#tail === undefined) {
      // No error is that large.
      this.contentSeen = true;
      this.#tail = new Tail();
      this.textBytes = this.#body.length;
      this.#tail.push(this.#body.take());
    }
    this.#tail.push(chunk);
    this.textBytes += chunk.length;
  }

  end(): void {
    if (this.#tail === undefined) {
      readAnswer(this, parseJson(new TextDecoder().decode(this.#body.take())));
      return;
    }
    const fields = this.#tail.usageFields(this.dialect);
    if (fields !== undefined) this.usageFinal = this.addUsage({ usage: fields });
  }
}
