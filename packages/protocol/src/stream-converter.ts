import { ByteBuffer, utf8Length } from './bytes.ts';
import type { ChatEvent } from './chat.ts';
import { answerContext, protocols, readAnswer } from './convert.ts';
import type { AnswerOptions } from './convert.ts';
import type { Dialect } from './dialect.ts';
import { AnswerError } from './drops.ts';
import type { Drop } from './drops.ts';
import type { UpstreamError } from './errors.ts';
import { asFields, parseJson } from './json.ts';
import type { AnswerContext, StreamDecoder, StreamEncoder } from './protocol.ts';
import { SseDecoder, SseEventTooLarge } from './sse.ts';
import { restoreTools } from './tool-names.ts';
import type { Transducer } from './transducer.ts';
import type { Usage } from './usage.ts';
import { eventsOf } from './whole-answer.ts';

/** A custom tool's input that may wait for its end, characters. */
const maxHeldInput = 192 * 1024;
/** A whole answer where a stream was asked for, bytes. */
const maxWholeBytes = 10 * 1024 * 1024;

const openBrace = 123;

/** Turns an upstream's stream into the client's, and knows of it what a Watcher knows. No call throws. */
export interface StreamConverter {
  /** Bytes for the client; often none, never more than one piece. */
  push(chunk: Uint8Array): Uint8Array[];
  /** The upstream has closed the stream. An answer that was not complete ends in the client dialect's error. */
  end(): Uint8Array[];
  /** Ends the stream with the client dialect's error, unless it is over: for what the caller finds out (a time limit). */
  fail(failure: UpstreamError): Uint8Array[];
  readonly usage: Usage | undefined;
  readonly usageFinal: boolean;
  /** Real content was seen, or a complete answer without any. */
  readonly contentSeen: boolean;
  readonly error: UpstreamError | undefined;
  /** The answer came to its end; false for one that ended in an error. */
  readonly finished: boolean;
  readonly model: string | undefined;
  readonly promptCacheKey: string | undefined;
  readonly responseId: string | undefined;
  readonly serviceTier: string | undefined;
  /** UTF-8 bytes of text, reasoning and tool arguments so far. */
  readonly textBytes: number;
  readonly drops: Drop[];
}

const encoder = new TextEncoder();
const slabBytes = 16 * 1024;
/** Small pieces are cut from one slab after the other: an allocation for each would cost more than its encoding. */
let slab = new Uint8Array(slabBytes);
let slabUsed = 0;

function toBytes(text: string): Uint8Array[] {
  if (text === '') return [];
  // A character takes at most three bytes.
  const most = text.length * 3;
  if (most > slabBytes / 4) return [encoder.encode(text)];
  if (slabUsed + most > slabBytes) {
    slab = new Uint8Array(slabBytes);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += encoder.encodeInto(text, slab.subarray(start)).written;
  return [slab.subarray(start, slabUsed)];
}

/** `from`: the upstream's dialect, `to`: the client's. */
export function streamConverter(from: Dialect, to: Dialect, options: AnswerOptions): StreamConverter {
  return new Converting(from, to, options);
}

class Converting implements StreamConverter {
  readonly #from: Dialect;
  readonly #context: AnswerContext;
  readonly #sse = new SseDecoder();
  readonly #decoder: StreamDecoder;
  readonly #restorer: Transducer<ChatEvent, ChatEvent> | undefined;
  readonly #encoder: StreamEncoder;
  /** Set while a whole JSON answer comes in the place of a stream. */
  #whole: ByteBuffer | undefined;
  #begun = false;
  #over = false;
  contentSeen = false;
  finished = false;
  error: UpstreamError | undefined;
  textBytes = 0;

  constructor(from: Dialect, to: Dialect, options: AnswerOptions) {
    this.#from = from;
    this.#context = answerContext(from, to, options);
    this.#decoder = protocols[from].decoder(this.#context);
    this.#encoder = protocols[to].encoder(this.#context);
    if (options.toolNames.size > 0) this.#restorer = restoreTools(options.toolNames, maxHeldInput, this.#context.drops);
  }

  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#over) return [];
    if (!this.#begun) this.#begin(chunk);
    if (this.#whole !== undefined) return this.#keepWhole(this.#whole, chunk);
    return this.#decode(chunk);
  }

  end(): Uint8Array[] {
    if (this.#over) return [];
    if (this.#whole !== undefined) return this.#convertWhole(this.#whole);
    const last = this.#decode(undefined);
    return this.#over ? last : [...last, ...this.#write(this.#decoder.end())];
  }

  fail(failure: UpstreamError): Uint8Array[] {
    return this.#over ? [] : this.#write(this.#decoder.fail(failure));
  }

  get usage(): Usage | undefined {
    return this.#decoder.usage;
  }

  get usageFinal(): boolean {
    return this.#over && this.usage !== undefined;
  }

  get model(): string | undefined {
    return this.#decoder.head.model;
  }

  get promptCacheKey(): string | undefined {
    return this.#decoder.head.promptCacheKey;
  }

  get responseId(): string | undefined {
    return this.#decoder.head.id;
  }

  get serviceTier(): string | undefined {
    return this.#decoder.head.serviceTier;
  }

  get drops(): Drop[] {
    return this.#context.drops.list;
  }

  /** The first byte that is no white space tells a stream from a whole answer. */
  #begin(chunk: Uint8Array): void {
    const first = chunk.find((byte) => byte > 32);
    if (first === undefined) return;
    this.#begun = true;
    if (first === openBrace) this.#whole = new ByteBuffer();
  }

  #keepWhole(whole: ByteBuffer, chunk: Uint8Array): Uint8Array[] {
    if (whole.length + chunk.length <= maxWholeBytes) {
      whole.append(chunk);
      return [];
    }
    return this.fail({ status: 502, message: 'the upstream answered a stream request with a body that is too large' });
  }

  #convertWhole(whole: ByteBuffer): Uint8Array[] {
    const body = asFields(parseJson(new TextDecoder().decode(whole.take()))) ?? {};
    try {
      const response = readAnswer(this.#from, body, this.#context);
      this.#decoder.adopt(body);
      return this.#write(eventsOf(response, this.#from));
    } catch (error) {
      if (error instanceof AnswerError) return this.fail(error.failure);
      throw error;
    }
  }

  /** `chunk` undefined: what stands unfinished. */
  #decode(chunk: Uint8Array | undefined): Uint8Array[] {
    let text = '';
    try {
      for (const frame of chunk === undefined ? this.#sse.end() : this.#sse.push(chunk)) text += this.#encode(this.#decoder.push(frame));
    } catch (error) {
      if (!(error instanceof SseEventTooLarge)) throw error;
      text += this.#encode(this.#decoder.fail({ status: 502, message: error.message }));
    }
    return toBytes(text);
  }

  #write(events: readonly ChatEvent[]): Uint8Array[] {
    return toBytes(this.#encode(events));
  }

  #encode(events: readonly ChatEvent[]): string {
    let text = '';
    for (const decoded of events) {
      if (this.#restorer === undefined) text += this.#encodeOne(decoded);
      else for (const event of this.#restorer.push(decoded)) text += this.#encodeOne(event);
    }
    return text;
  }

  #encodeOne(event: ChatEvent): string {
    if (this.#over) return '';
    this.#note(event);
    let text = '';
    // JSON never holds a line end, so that frames need no further look.
    for (const { event: name, data } of this.#encoder.push(event)) text += name === '' ? `data: ${data}\n\n` : `event: ${name}\ndata: ${data}\n\n`;
    this.#checkEncoder();
    return text;
  }

  #checkEncoder(): void {
    if (this.#encoder.failure === undefined || this.#over) return;
    this.error = this.#encoder.failure;
    this.#over = true;
  }

  #note(event: ChatEvent): void {
    switch (event.type) {
      case 'text-delta':
      case 'reasoning-delta':
      case 'refusal-delta':
      case 'tool-delta':
        this.contentSeen = true;
        this.textBytes += utf8Length(event.text);
        break;
      case 'start':
        break;
      case 'error':
        this.error = event.failure;
        this.#over = true;
        break;
      case 'finish':
        this.finished = true;
        this.contentSeen = true;
        this.#over = true;
        break;
      default:
        this.contentSeen = true;
    }
  }
}
