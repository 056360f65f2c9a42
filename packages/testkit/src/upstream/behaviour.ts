import type { ServerResponse } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { deferred } from '../deferred.ts';
import { type Answer, errorBody, eventStream, healthyAnswer, json } from './answer.ts';
import { type Reply, sse } from './reply.ts';
import type { UpstreamDialect, UpstreamRequest } from './request.ts';

/** What an upstream answers, and how it goes over the wire. Those that take `of` change another one, by default the healthy one. */
export interface Behaviour {
  answer(request: UpstreamRequest): Answer;
  /** Unset: head and frames one after the other, as fast as the other side reads. */
  readonly deliver?: Deliver;
}

type Deliver = (answer: Answer, response: ServerResponse, request: UpstreamRequest) => Promise<void>;

/** A legal answer in the request's dialect. */
export function healthy(reply: Reply = {}): Behaviour {
  return { answer: (request) => healthyAnswer(request, reply) };
}

/** Any status. Without a body: an error in the request's dialect. A string goes out as text, anything else as JSON. */
export function status(code: number, body?: unknown, headers: Answer['headers'] = {}): Behaviour {
  return {
    answer(request) {
      if (typeof body !== 'string') return json(body ?? errorBody(request.dialect, code), code, headers);
      return { status: code, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, frames: [body] };
    },
  };
}

/** A 200 event stream of exactly these frames. */
export function say(frames: Answer['frames'], headers: Answer['headers'] = {}): Behaviour {
  return { answer: () => eventStream(frames, headers) };
}

/** An error page of some proxy in front of the provider. */
export function htmlPage(code = 200): Behaviour {
  return status(code, '<html><body><h1>Bad gateway</h1></body></html>', { 'content-type': 'text/html; charset=utf-8' });
}

/** Headers as usual and not one byte of body. */
export function emptyBody(code = 200): Behaviour {
  return { answer: (request) => ({ ...healthyAnswer(request), status: code, frames: [] }) };
}

/** Status 200 and an error object: what many relays do. */
export function errorIn200(body?: unknown): Behaviour {
  return { answer: (request) => json(body ?? errorBody(request.dialect, 529)) };
}

/** A stream whose only event is an error. */
export function errorEventFirst(payload?: unknown): Behaviour {
  return errorEventAfter(0, payload);
}

/** A stream that breaks off with an error event after `frames` good ones. */
export function errorEventAfter(frames: number, payload?: unknown): Behaviour {
  return {
    answer(request) {
      const good = healthyAnswer(request).frames.slice(0, frames);
      return eventStream([...good, errorEvent(request.dialect, payload)]);
    },
  };
}

function errorEvent(dialect: UpstreamDialect, payload: unknown): string {
  const code = dialect === 'anthropic' ? 529 : 503;
  if (dialect === 'openai-responses') {
    return sse('error', payload ?? { type: 'error', sequence_number: 0, code: 'server_error', message: `fake upstream error ${code}`, param: null });
  }
  return sse(dialect === 'anthropic' ? 'error' : '', payload ?? errorBody(dialect, code));
}

export function redirect(location: string, code = 302): Behaviour {
  return { answer: () => ({ status: code, headers: { location }, frames: [] }) };
}

export function gzip(of: Behaviour = healthy()): Behaviour {
  return compressed('gzip', gzipSync, of);
}

export function brotli(of: Behaviour = healthy()): Behaviour {
  return compressed('br', brotliCompressSync, of);
}

function compressed(coding: string, compress: (bytes: Buffer) => Buffer, of: Behaviour): Behaviour {
  return {
    ...of,
    answer(request) {
      const answer = of.answer(request);
      return { ...answer, headers: { ...answer.headers, 'content-encoding': coding }, frames: [compress(bytesOf(answer.frames))] };
    },
  };
}

/** The same body cut elsewhere: every `every` bytes, or at these offsets. */
export function splitAt(offsets: number | readonly number[], of: Behaviour = healthy()): Behaviour {
  return {
    ...of,
    answer(request) {
      const answer = of.answer(request);
      return { ...answer, frames: pieces(bytesOf(answer.frames), offsets) };
    },
  };
}

function pieces(bytes: Buffer, offsets: number | readonly number[]): Buffer[] {
  const starts =
    typeof offsets === 'number'
      ? Array.from({ length: Math.ceil(bytes.length / offsets) }, (_, index) => index * offsets)
      : [0, ...offsets];
  return starts.map((start, index) => bytes.subarray(start, starts[index + 1])).filter((piece) => piece.length > 0);
}

/** The request is taken in and never answered. */
export function never(): Behaviour {
  return { answer: () => ({ status: 200, headers: {}, frames: [] }), deliver: async () => {} };
}

export interface CutOptions {
  /** By RST instead of FIN. */
  readonly reset?: boolean;
}

const cut = new WeakSet<ServerResponse>();

/** Closes the connection on purpose; the exchange then counts as cut, not as aborted by the other side. */
export function cutConnection(response: ServerResponse, options: CutOptions = {}): void {
  cut.add(response);
  if (options.reset === true) response.socket?.resetAndDestroy();
  else response.socket?.destroy();
}

export function wasCut(response: ServerResponse): boolean {
  return cut.has(response);
}

/** The connection is closed before the first byte of an answer. */
export function hangUp(options: CutOptions = {}): Behaviour {
  return {
    answer: never().answer,
    async deliver(_answer, response) {
      cutConnection(response, options);
    },
  };
}

/** The connection is closed after exactly `bytes` bytes of body (0: after the head). A body that is shorter goes out whole. */
export function cutAfter(bytes: number, of: Behaviour = healthy(), options: CutOptions = {}): Behaviour {
  return {
    answer: of.answer,
    async deliver(answer, response) {
      writeHead(answer, response);
      response.flushHeaders();
      let left = bytes;
      for (const frame of answer.frames) {
        const piece = Buffer.from(frame).subarray(0, left);
        left -= piece.length;
        if (piece.length > 0) response.write(piece);
      }
      await flushed(response);
      cutConnection(response, options);
    },
  };
}

/** A stream that stops in the middle until the test lets it go on. */
export interface Stall extends Behaviour {
  /** Settles when the frames before the stall have been written. */
  readonly reached: Promise<void>;
  resume(): void;
}

/** Sends the head and `frames` frames, then nothing more until `resume()`. */
export function stallAfter(frames: number, of: Behaviour = healthy()): Stall {
  const reached = deferred();
  const resumed = deferred();
  return {
    answer: of.answer,
    async deliver(answer, response) {
      writeHead(answer, response);
      response.flushHeaders();
      await writeFrames(response, answer.frames.slice(0, frames));
      reached.resolve();
      await resumed.promise;
      await writeFrames(response, answer.frames.slice(frames));
      response.end();
    },
    reached: reached.promise,
    resume: resumed.resolve,
  };
}

/** A stream that the test pushes on frame by frame. The head goes out at once. */
export interface Steps extends Behaviour {
  /** Sends `count` more frames (unset: 1); settles when they are written. The last frame ends the answer. */
  next(count?: number): Promise<void>;
  /** Sends all that is left. */
  rest(): Promise<void>;
}

export function stepwise(of: Behaviour = healthy()): Steps {
  const started = deferred<{ response: ServerResponse; frames: Answer['frames'] }>();
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    const { response, frames } = await started.promise;
    const due = frames.slice(sent, sent + count);
    sent += due.length;
    await writeFrames(response, due);
    if (sent === frames.length) response.end();
  };
  return {
    answer: of.answer,
    async deliver(answer, response) {
      writeHead(answer, response);
      response.flushHeaders();
      started.resolve({ response, frames: answer.frames });
    },
    next: (count = 1) => send(count),
    rest: () => send(Number.POSITIVE_INFINITY),
  };
}

/** The usual way over the wire. */
export async function deliverWhole(answer: Answer, response: ServerResponse): Promise<void> {
  const [only, ...more] = answer.frames;
  const whole = more.length > 0 ? undefined : Buffer.from(only ?? '');
  writeHead(whole === undefined ? answer : { ...answer, headers: { 'content-length': String(whole.length), ...answer.headers } }, response);
  await writeFrames(response, answer.frames);
  response.end();
}

function writeHead(answer: Answer, response: ServerResponse): void {
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  response.writeHead(answer.status);
}

async function writeFrames(response: ServerResponse, frames: Answer['frames']): Promise<void> {
  for (const frame of frames) {
    if (response.destroyed) return;
    if (!response.write(frame) && !response.destroyed) await writable(response);
  }
}

/** Waits for room in the socket's buffer, or for the end of an answer that nobody reads any more. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

/** Waits until what was written is the kernel's, so that closing the socket cannot take it back. */
function flushed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const { socket } = response;
    if (socket === null || socket.destroyed) resolve();
    // Behind the uncorking that node:http does at the end of this turn.
    else setImmediate(() => socket.write('', () => resolve()));
  });
}

function bytesOf(frames: Answer['frames']): Buffer {
  return Buffer.concat(frames.map((frame) => Buffer.from(frame)));
}
