import type { IncomingHttpHeaders } from 'node:http';

/** The dialect that a request's path belongs to. */
export type UpstreamDialect = 'anthropic' | 'openai-chat' | 'openai-responses' | 'gemini';

/** A request as the upstream received it. */
export interface UpstreamRequest {
  /** Counts from 1 in the order in which request bodies were complete. */
  readonly number: number;
  readonly method: string;
  /** As received, query included. */
  readonly url: string;
  /** `url` without the `/t/<mode>` in front. */
  readonly path: string;
  /** The `<mode>` of `/t/<mode>/…`; undefined without one. */
  readonly mode: string | undefined;
  readonly dialect: UpstreamDialect;
  /** Names and values in turn, in the order and case of the wire. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The parsed body; undefined if it is not JSON. */
  readonly json: unknown;
  /** The other side closed the connection before it had the whole answer. */
  readonly aborted: boolean;
  /** Settles when `aborted` becomes true, and never otherwise. */
  readonly whenAborted: Promise<void>;
  /** Settles when this exchange is over: answered in full, aborted by the other side, or cut by the script. */
  readonly whenClosed: Promise<'answered' | 'aborted' | 'cut'>;
}

export function dialectOf(path: string): UpstreamDialect {
  if (/\/v1(beta|internal|alpha)(\/|:)/.test(path) || /:(streamG|g)enerateContent|:countTokens/.test(path)) return 'gemini';
  if (/\/messages(\/count_tokens)?\/?(\?|$)/i.test(path)) return 'anthropic';
  if (/\/responses(\/|\?|$)/i.test(path)) return 'openai-responses';
  return 'openai-chat';
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
