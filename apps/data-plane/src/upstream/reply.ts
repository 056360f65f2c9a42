import { classifyBody, type Dialect, readUpstreamError, type UpstreamError, type Usage, type Watcher, watchJson, watchStream } from '@hub/protocol';
import type { Operation } from '../routes.ts';
import type { PreparedRequest } from './prepare.ts';
import type { Route, Transport, UpstreamCall, UpstreamHeaders, UpstreamListener } from './transport.ts';

/**
 * One exchange with one upstream, up to the moment at which it is worth showing to the client: the first real content of a
 * stream, or the whole of a JSON answer. Until then it can still fail, and nobody has seen anything.
 */

export interface Reply {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly streaming: boolean;
  readonly watcher: Watcher;
  /** Whether more is to come. */
  isOpen(): boolean;
  /** ms after the request was sent, when the first byte of the body came. */
  readonly firstByteMs: number;
  /** Hands over what came so far and everything that follows. */
  read(reader: ReplyReader): void;
  pause(): void;
  resume(): void;
  abort(): void;
}

export interface ReplyReader {
  onData(chunk: Buffer): void;
  /** `error` set: the upstream broke off, fell silent for too long, or took too long altogether. */
  onEnd(error: Failure | undefined): void;
}

export type FailureKind =
  /** The upstream answered with a status that is not a success. */
  | 'status'
  /** A success that is none: nothing, a page, an error object, an error event. */
  | 'empty'
  | 'not_an_answer'
  | 'error_inside'
  | 'network'
  | 'timeout'
  | 'client_gone';

export interface Failure {
  readonly kind: FailureKind;
  /** The upstream's, or the one that stands for this kind (520 empty, 524 timeout, 502 network, 499 client gone). */
  readonly status: number;
  readonly error: UpstreamError;
  /** At most 64 KiB, for error rules and the record. */
  readonly body: string;
  readonly retryAfter: string | undefined;
  /** Node's code of a network error. */
  readonly networkCode: string | undefined;
  /** The client has already seen it, in the upstream's own words. */
  readonly passedOn?: boolean;
  /** What the upstream had counted when the client left before the first content. */
  readonly usage?: Usage | undefined;
}

export interface ReplyOptions {
  readonly dialect: Dialect;
  readonly operation: Operation;
  readonly wantsStream: boolean;
  readonly route: Route;
  /** ms; 0 = off. */
  readonly timeouts: { readonly firstByteMs: number; readonly streamIdleMs: number; readonly totalMs: number };
  readonly now: () => number;
}

const maxErrorBytes = 64 * 1024;
/** An error body that trickles is not waited for longer than this. ms */
const errorBodyMs = 10_000;
/** Preamble of a stream that is held back at most while waiting for content. */
const maxPreambleBytes = 256 * 1024;
/** A JSON answer larger than this is passed on without having been judged. */
const maxJudgedBytes = 16 * 1024 * 1024;

export interface PendingReply {
  readonly result: Promise<Reply | Failure>;
  /** The client has left. */
  abandon(): void;
}

export function isFailure(result: Reply | Failure): result is Failure {
  return 'kind' in result;
}

/** Sends and waits for the first content. Never rejects. */
export function requestReply(transport: Transport, prepared: PreparedRequest, options: ReplyOptions): PendingReply {
  const exchange = new ReplyExchange(options);
  exchange.call = transport.send(
    { method: prepared.method, origin: prepared.target.origin, path: prepared.target.path, headers: prepared.headers, body: prepared.body },
    options.route,
    exchange,
  );
  return { result: exchange.result, abandon: () => exchange.abandon() };
}

class ReplyExchange implements UpstreamListener {
  call: UpstreamCall | undefined;
  readonly result: Promise<Reply | Failure>;
  readonly #options: ReplyOptions;
  readonly #sentAt: number;
  #resolve!: (result: Reply | Failure) => void;
  #settled = false;
  #status = 0;
  #headers: UpstreamHeaders = {};
  #mode: 'error' | 'stream' | 'json' | 'opaque' = 'opaque';
  #watcher: Watcher | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #bodyBytes = 0;
  #firstByteMs = 0;
  #ended: { error: Failure | undefined } | undefined;
  #reader: ReplyReader | undefined;
  #timer: NodeJS.Timeout | undefined;
  #totalTimer: NodeJS.Timeout | undefined;

  constructor(options: ReplyOptions) {
    this.#options = options;
    this.#sentAt = options.now();
    this.result = new Promise((resolve) => (this.#resolve = resolve));
    const { firstByteMs, totalMs } = options.timeouts;
    if (options.wantsStream && firstByteMs > 0) this.#arm(firstByteMs, `no first byte within ${firstByteMs} ms`);
    if (!options.wantsStream && totalMs > 0) {
      this.#totalTimer = setTimeout(() => this.#expire(`no complete answer within ${totalMs} ms`), totalMs);
    }
  }

  onHead(status: number, headers: UpstreamHeaders): void {
    this.#status = status;
    this.#headers = headers;
    const type = contentType(headers);
    if (status < 200 || status > 299) {
      this.#mode = 'error';
      this.#disarm();
      this.#arm(errorBodyMs, 'the error body did not end');
      return;
    }
    const streams = type.includes('text/event-stream') || isJsonArrayStream(this.#options, type);
    if (this.#options.operation !== 'other') this.#mode = streams ? 'stream' : 'json';
    this.#watcher = streams ? watchStream(this.#options.dialect) : watchJson(this.#options.dialect, maxJudgedBytes);
  }

  onData(chunk: Buffer): void {
    if (this.#bodyBytes === 0) {
      this.#firstByteMs = this.#options.now() - this.#sentAt;
      if (this.#mode !== 'error') this.#disarm();
    }
    this.#bodyBytes += chunk.length;
    if (this.#mode === 'stream' && this.#options.timeouts.streamIdleMs > 0) this.#armIdle();
    this.#watcher?.push(chunk);
    if (this.#reader !== undefined) return this.#reader.onData(chunk);
    if (this.#mode === 'error' && this.#heldBytes >= maxErrorBytes) return this.#finishError();
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (!this.#settled) this.#judgePartial();
  }

  onEnd(): void {
    this.#disarmAll();
    this.#watcher?.end();
    if (this.#settled) return this.#finish(undefined);
    if (this.#mode === 'error') return this.#finishError();
    const failure = this.#judgeWhole();
    if (failure !== undefined) return this.#settle(failure);
    this.#ended = { error: undefined };
    this.#succeed();
  }

  onError(error: Error): void {
    this.#disarmAll();
    this.#watcher?.end();
    if (!this.#settled && this.#mode === 'error') return this.#finishError();
    const failure = networkFailure(error);
    if (this.#settled) this.#finish(failure);
    else this.#settle(failure);
  }

  abandon(): void {
    this.call?.abort();
    this.#disarmAll();
    this.#watcher?.end();
    const failure = { ...failureOf('client_gone', 499, 'the client closed the connection'), usage: this.#watcher?.usage };
    if (this.#settled) this.#finish(failure);
    else this.#settle(failure);
  }

  /** While a stream is held back: has it shown what it is? */
  #judgePartial(): void {
    if (this.#mode === 'stream') {
      if (this.#watcher?.error !== undefined && !this.#watcher.contentSeen) {
        this.call?.abort();
        return this.#settle(this.#errorInside(this.#watcher.error));
      }
      if (this.#watcher?.contentSeen === true || this.#heldBytes > maxPreambleBytes) this.#succeed();
    } else if (this.#mode === 'opaque' || (this.#mode === 'json' && this.#heldBytes > maxJudgedBytes)) {
      this.#succeed();
    }
  }

  #judgeWhole(): Failure | undefined {
    const text = () => Buffer.concat(this.#held).toString('utf8', 0, maxErrorBytes);
    const watcher = this.#watcher;
    if (this.#options.operation === 'other') return undefined;
    if (this.#bodyBytes === 0 || (this.#heldBytes < 1024 && text().trim() === '')) {
      return failureOf('empty', 520, 'the upstream answered with success and an empty body');
    }
    if (watcher?.error !== undefined && !watcher.contentSeen) return this.#errorInside(watcher.error);
    if (this.#options.operation !== 'generate') return undefined;
    const kind = classifyBody(contentType(this.#headers), this.#held[0] ?? new Uint8Array());
    if (kind === 'html') return { ...failureOf('not_an_answer', 520, 'the upstream answered with a web page'), body: text() };
    if (watcher?.contentSeen === true) return undefined;
    return { ...failureOf('empty', 520, 'the upstream answered with success and without content'), body: text() };
  }

  #errorInside(error: UpstreamError): Failure {
    const body = Buffer.concat(this.#held).toString('utf8', 0, maxErrorBytes);
    return { ...failureOf('error_inside', error.status, error.message), error, body };
  }

  #finishError(): void {
    const body = Buffer.concat(this.#held).toString('utf8', 0, maxErrorBytes);
    const error = readUpstreamError(this.#status, (name) => headerText(this.#headers, name), body);
    this.call?.abort();
    this.#settle({
      kind: 'status',
      status: this.#status,
      error,
      body,
      retryAfter: headerText(this.#headers, 'retry-after'),
      networkCode: undefined,
    });
  }

  #succeed(): void {
    this.#settle({
      isOpen: () => this.#ended === undefined,
      status: this.#status,
      headers: this.#headers,
      streaming: this.#mode === 'stream',
      watcher: this.#watcher ?? watchJson(this.#options.dialect, 0),
      firstByteMs: this.#firstByteMs,
      read: (reader) => this.#attach(reader),
      pause: () => {
        // The silence that follows is the client's, not the upstream's.
        this.#disarm();
        this.call?.pause();
      },
      resume: () => {
        if (this.#mode === 'stream' && this.#options.timeouts.streamIdleMs > 0 && this.#ended === undefined) this.#armIdle();
        this.call?.resume();
      },
      abort: () => this.abandon(),
    });
  }

  #attach(reader: ReplyReader): void {
    this.#reader = reader;
    const held = this.#held;
    this.#held = [];
    for (const chunk of held) reader.onData(chunk);
    if (this.#ended !== undefined) reader.onEnd(this.#ended.error);
  }

  #settle(result: Reply | Failure): void {
    if (this.#settled) return;
    this.#settled = true;
    if (isFailure(result)) this.#disarmAll();
    this.#resolve(result);
  }

  /** After the reply was handed over: its end, once. */
  #finish(error: Failure | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    this.#disarmAll();
    this.#reader?.onEnd(error);
  }

  #expire(message: string): void {
    this.call?.abort();
    this.#disarmAll();
    this.#watcher?.end();
    if (!this.#settled && this.#mode === 'error') return this.#finishError();
    const failure = failureOf('timeout', 524, message);
    if (this.#settled) this.#finish(failure);
    else this.#settle(failure);
  }

  #arm(ms: number, message: string): void {
    this.#timer = setTimeout(() => this.#expire(message), ms);
  }

  /** The timer is moved instead of made anew: this runs once per chunk. */
  #armIdle(): void {
    if (this.#timer !== undefined) this.#timer.refresh();
    else this.#arm(this.#options.timeouts.streamIdleMs, `the stream was silent for ${this.#options.timeouts.streamIdleMs} ms`);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #disarmAll(): void {
    this.#disarm();
    clearTimeout(this.#totalTimer);
    this.#totalTimer = undefined;
  }
}

/** Gemini without alt=sse streams one JSON array. */
function isJsonArrayStream(options: ReplyOptions, type: string): boolean {
  return options.dialect === 'gemini' && options.wantsStream && type.includes('json');
}

function contentType(headers: UpstreamHeaders): string {
  return headerText(headers, 'content-type')?.toLowerCase() ?? '';
}

function headerText(headers: UpstreamHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

export function failureOf(kind: FailureKind, status: number, message: string): Failure {
  return { kind, status, error: { status, message }, body: '', retryAfter: undefined, networkCode: undefined };
}

function networkFailure(error: Error): Failure {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
  // Messages of network errors name hosts and ports, never secrets.
  const failure = failureOf(timedOut ? 'timeout' : 'network', timedOut ? 524 : 502, error.message || code || 'network error');
  return { ...failure, networkCode: code };
}
