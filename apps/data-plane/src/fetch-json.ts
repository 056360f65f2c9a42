import type { Transport, UpstreamRequest } from './upstream/transport.ts';

/** A small JSON answer as a whole, for what is not relayed: model lists, probes, tokens. */
export interface JsonAnswer {
  readonly status: number;
  /** undefined: the body is not JSON. */
  readonly body: unknown;
}

export interface FetchOptions {
  readonly proxyUrl: string | undefined;
  readonly timeoutMs: number;
  /** A larger answer is refused. Bytes. */
  readonly maxBytes: number;
}

/** @throws Error on network errors, on time-out and if the answer is too large */
export function fetchJson(transport: Transport, request: UpstreamRequest, { proxyUrl, timeoutMs, maxBytes }: FetchOptions): Promise<JsonAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let status = 0;
    const fail = (error: Error) => {
      clearTimeout(timer);
      call.abort();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const call = transport.send(request, { proxyUrl, http2: false }, {
      onHead: (received) => (status = received),
      onData(chunk) {
        size += chunk.length;
        if (size > maxBytes) return fail(new Error(`the answer is larger than ${maxBytes} bytes`));
        chunks.push(chunk);
      },
      onError(error) {
        clearTimeout(timer);
        reject(error);
      },
      onEnd() {
        clearTimeout(timer);
        resolve({ status, body: parse(Buffer.concat(chunks)) });
      },
    });
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
