/**
 * One client request as the rest of the data plane sees it: what came in, and a sink for what goes out. Only `server.ts`
 * knows the socket behind it.
 */
export interface Exchange {
  readonly method: string;
  /** Without query, without trailing slash (except "/"). */
  readonly path: string;
  /** "" or "?…". */
  readonly search: string;
  readonly headers: RequestHeaders;
  /** Peer address of the socket. */
  readonly remoteAddress: string;
  /** Epoch ms. */
  readonly arrivedAt: number;
  /**
   * The whole body, with gzip, br and deflate undone.
   * @throws BodyProblem if it is larger than `limit` bytes, cannot be decoded or did not arrive
   */
  readBody(limit: number): Promise<Buffer>;
  readonly sink: Sink;
  /** True from the moment that the client hung up before its answer was complete. */
  readonly clientGone: boolean;
  /** Calls back once when the client hangs up early. Returns how to stop listening. */
  onClientGone(listener: () => void): () => void;
}

/** Lower-case names; several values of one header are joined as node:http does. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The client's side of the answer. All calls are allowed after the client has left and then do nothing. */
export interface Sink {
  readonly started: boolean;
  start(status: number, headers: ResponseHeaders): void;
  /** @returns false if the client reads more slowly than we write: wait for `onDrain` */
  write(chunk: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  end(chunk?: Uint8Array | string): void;
  /** Cuts the connection: for an answer that has begun and cannot be finished honestly. */
  destroy(): void;
}

export type ResponseHeaders = Record<string, string | readonly string[]>;

export class BodyProblem extends Error {
  override readonly name = 'BodyProblem';
  readonly status: 400 | 408 | 413;
  readonly code: string;
  constructor(status: 400 | 408 | 413, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The first value of a header, or undefined. */
export function header(headers: RequestHeaders, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined || typeof value === 'string') return value;
  return value[0];
}
