import { connect, type Socket } from 'node:net';

/**
 * One HTTP/1.1 keep-alive connection, cut down to what a load generator needs, so that it costs little beside what it
 * measures: one request at a time, ready-made bytes, an answer is looked at only as far as its end must be found.
 */

export interface Answer {
  /** 0 = the connection broke. */
  readonly status: number;
  /** Of the body, transfer coding and all. */
  readonly bodyBytes: number;
  /** From the write to the first byte, and to the last. ms */
  readonly firstByteMs: number;
  readonly totalMs: number;
}

const nothing = Buffer.alloc(0);
const headEnd = Buffer.from('\r\n\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');
const readBuffer = Buffer.alloc(64 * 1024);
const maxHeadBytes = 16 * 1024;

export class Connection {
  readonly #socket: Socket;
  #done: ((answer: Answer) => void) | undefined;
  #onBody: (() => void) | undefined;
  #sentAt = 0;
  #firstByteAt = 0;
  #status = 0;
  #bodyBytes = 0;
  /** Head so far, while it is not whole. */
  #head: Buffer | undefined;
  #headDone = false;
  /** undefined = chunked. */
  #length: number | undefined;
  /** The last bytes of the body so far, since the end of a chunked one may come in two reads. */
  #tail: Buffer = nothing;
  broken = false;

  constructor(port: number) {
    // All connections read into the same memory, one after the other: what is read is looked at and forgotten.
    const onread = {
      buffer: readBuffer,
      callback: (length: number, buffer: Uint8Array): boolean => {
        this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
        return true;
      },
    };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.#socket.on('error', () => this.#break());
    this.#socket.on('close', () => this.#break());
  }

  get busy(): boolean {
    return this.#done !== undefined;
  }

  /** @param onBody called back at each piece of the body */
  send(parts: readonly Buffer[], done: (answer: Answer) => void, onBody?: () => void): void {
    this.#done = done;
    this.#onBody = onBody;
    this.#status = 0;
    this.#bodyBytes = 0;
    this.#firstByteAt = 0;
    this.#head = undefined;
    this.#headDone = false;
    this.#length = undefined;
    this.#tail = nothing;
    this.#sentAt = performance.now();
    if (this.broken) return this.#break();
    if (parts.length > 1) this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    if (parts.length > 1) this.#socket.uncork();
  }

  close(): void {
    this.#done = undefined;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#firstByteAt === 0) this.#firstByteAt = performance.now();
    const body = this.#headDone ? chunk : this.#readHead(chunk);
    if (body === undefined) return;
    this.#bodyBytes += body.length;
    if (body.length > 0) this.#onBody?.();
    if (this.#length === undefined ? this.#endsHere(body) : this.#bodyBytes >= this.#length) this.#finish();
  }

  /** @returns what follows the head, or undefined while it is not whole */
  #readHead(chunk: Buffer): Buffer | undefined {
    const bytes = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
    const end = bytes.indexOf(headEnd);
    if (end < 0) {
      this.#head = Buffer.from(bytes);
      if (bytes.length > maxHeadBytes) this.#socket.destroy();
      return undefined;
    }
    const head = bytes.toString('latin1', 0, end);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    this.#length = length === undefined ? undefined : Number(length);
    this.#headDone = true;
    return bytes.subarray(end + headEnd.length);
  }

  #endsHere(body: Buffer): boolean {
    if (body.length > lastChunk.length) {
      const ends = body.subarray(-lastChunk.length).equals(lastChunk);
      if (!ends) this.#tail = Buffer.from(body.subarray(-lastChunk.length));
      return ends;
    }
    this.#tail = Buffer.concat([this.#tail, body]).subarray(-lastChunk.length);
    return this.#tail.equals(lastChunk);
  }

  #finish(): void {
    const done = this.#done;
    this.#done = undefined;
    const now = performance.now();
    done?.({ status: this.#status, bodyBytes: this.#bodyBytes, firstByteMs: this.#firstByteAt - this.#sentAt, totalMs: now - this.#sentAt });
  }

  #break(): void {
    this.broken = true;
    const done = this.#done;
    this.#done = undefined;
    done?.({ status: 0, bodyBytes: this.#bodyBytes, firstByteMs: 0, totalMs: 0 });
  }
}
