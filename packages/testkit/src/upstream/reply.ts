/**
 * What a model says, before it is put into a dialect. Without options every builder says the same short sentence with the
 * same token counts; they equal those of the recordings, so that costs can be compared with recorded rows.
 */
export interface Reply {
  /** Unset: the model that was asked for, else one that belongs to the dialect. */
  readonly model?: string;
  /** The text, or the pieces in which it is streamed. `''` or `[]`: no text at all. */
  readonly text?: string | readonly string[];
  readonly toolCalls?: readonly ToolCall[];
  /** Tokens; a part that is left out is 0. `null`: the answer carries no usage. */
  readonly usage?: Partial<ReplyUsage> | null;
}

export interface ToolCall {
  /** Unset: made from the position, `…_1`, `…_2`. */
  readonly id?: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Tokens in disjoint parts; `reasoning` is a share of `output`. */
export interface ReplyUsage {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly reasoning: number;
}

const nothing: ReplyUsage = { input: 0, output: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, reasoning: 0 };

/** What Anthropic answers report unless told otherwise. */
export const anthropicUsage: ReplyUsage = { ...nothing, input: 120, output: 42, cacheRead: 3000, cacheWrite5m: 150, cacheWrite1h: 50 };

/** What OpenAI and Gemini answers report unless told otherwise: 1320 in, of which 1024 from the cache. */
export const openaiUsage: ReplyUsage = { ...nothing, input: 296, output: 42, cacheRead: 1024, reasoning: 10 };

export const defaultText = 'Hello from the fake upstream.';

/** A reply with nothing left open. */
export interface FullReply {
  readonly model: string;
  readonly pieces: readonly string[];
  readonly text: string;
  readonly toolCalls: readonly Required<ToolCall>[];
  readonly usage: ReplyUsage | null;
}

/** @param idPrefix of tool calls without an id */
export function complete(reply: Reply, model: string, usage: ReplyUsage, idPrefix: string): FullReply {
  const said = reply.text ?? defaultText;
  const pieces = typeof said === 'string' ? words(said) : said;
  return {
    model: reply.model ?? model,
    pieces,
    text: pieces.join(''),
    toolCalls: (reply.toolCalls ?? []).map((call, index) => ({ id: `${idPrefix}_${index + 1}`, ...call })),
    usage: reply.usage === null ? null : reply.usage === undefined ? usage : { ...nothing, ...reply.usage },
  };
}

/** Cuts a text before every word and before punctuation; the pieces joined are the text. */
function words(text: string): readonly string[] {
  return text.match(/\s*[\p{L}\p{N}]+|\s*[^\s\p{L}\p{N}]+|\s+$/gu) ?? [];
}

/** `count` pieces of text, for streams of a given length. */
export function manyPieces(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `word${index} `);
}

/** One server-sent event. */
export function sse(event: string, payload: unknown): string {
  const data = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return event === '' ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}
