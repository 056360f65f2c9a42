/**
 * The little of PostgreSQL's frontend/backend protocol 3.0 that a server in front of PGlite has to understand
 * (PostgreSQL documentation, "Message Formats"). Lengths count themselves but not the type byte.
 */

/** PostgreSQL's own limit for messages without type byte, of which only the first of a connection are. */
const longestOpening = 10_000;

/** Takes whole messages off the front of a byte stream. */
export class MessageBuffer {
  #bytes: Buffer = Buffer.alloc(0);

  append(bytes: Uint8Array): void {
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#bytes, bytes]);
  }

  /** A message without type byte, as the first ones of a connection are; null while incomplete. */
  takeUntyped(): Buffer | null {
    return this.#take(0);
  }

  /** The next message with its type byte; null while incomplete. */
  take(): Buffer | null {
    return this.#take(1);
  }

  /**
   * All messages up to and including the next after which the client waits for an answer; null while incomplete.
   * Nothing of a half-received batch is run, so that a slow client keeps nobody else waiting. A Terminate comes alone.
   */
  takeBatch(): Buffer | null {
    let start = 0;
    for (;;) {
      const end = this.#endOf(start, 1);
      if (end === null) return null;
      const type = String.fromCharCode(this.#bytes[start] ?? 0);
      if (type === 'X') return this.#cut(end).subarray(start);
      if ('QSFHcf'.includes(type)) return this.#cut(end);
      start = end;
    }
  }

  #take(typeBytes: 0 | 1): Buffer | null {
    const end = this.#endOf(0, typeBytes);
    return end === null ? null : this.#cut(end);
  }

  /** Where the message that begins at `start` ends; null while that is not here yet. */
  #endOf(start: number, typeBytes: 0 | 1): number | null {
    const lengthAt = start + typeBytes;
    if (this.#bytes.length < lengthAt + 4) return null;
    const length = this.#bytes.readInt32BE(lengthAt);
    if (length < 4 || (typeBytes === 0 && length > longestOpening)) throw new Error('a message of impossible length');
    return this.#bytes.length < lengthAt + length ? null : lengthAt + length;
  }

  #cut(end: number): Buffer {
    const front = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end);
    return front;
  }
}

/** What a connection's first message can be. */
export type Opening = 'encryption' | 'cancel' | 'startup' | 'unknown';

/** Codes are the major and minor protocol version, or numbers that no version will have. */
export function openingOf(first: Buffer): Opening {
  const code = first.length >= 8 ? first.readInt32BE(4) : 0;
  if (code === 80877103 || code === 80877104) return 'encryption';
  if (code === 80877102) return 'cancel';
  return code >> 16 === 3 ? 'startup' : 'unknown';
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function int32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeInt32BE(value, index * 4));
  return bytes;
}

const text = (...values: string[]): Buffer => Buffer.from(values.map((value) => `${value}\0`).join(''), 'utf8');

/** AuthenticationCleartextPassword. */
export const passwordRequest: Buffer = message('R', int32(3));

/** Sync: ends a batch whose client has gone. */
export const syncMessage: Buffer = message('S', Buffer.alloc(0));

/** A simple query. */
export const queryMessage = (sql: string): Buffer => message('Q', text(sql));

/** Everything that a client must have seen before its first query. */
export function greeting(parameters: Readonly<Record<string, string>>, connectionId: number): Buffer {
  const statuses = Object.entries(parameters).map(([name, value]) => message('S', text(name, value)));
  return Buffer.concat([message('R', int32(0)), ...statuses, message('K', int32(connectionId, 0)), message('Z', Buffer.from('I'))]);
}

/** An ErrorResponse that ends the connection. */
export function fatalError(code: string, reason: string): Buffer {
  return message('E', Buffer.concat([text('SFATAL', 'VFATAL', `C${code}`, `M${reason}`), Buffer.from([0])]));
}
