import type { ChatEvent, ChatRequest, ChatResponse } from './chat.ts';
import type { DropLog } from './drops.ts';
import type { UpstreamError } from './errors.ts';
import type { Fields } from './json.ts';
import type { SseEvent } from './sse.ts';
import type { ToolNaming } from './tool-names.ts';
import type { Transducer } from './transducer.ts';
import type { Usage } from './usage.ts';

export interface DecodeContext {
  drops: DropLog;
  /** What the path says, for the dialect whose body does not (Gemini). */
  streaming: boolean | undefined;
}

export interface EncodeContext {
  drops: DropLog;
  targetModel: string;
  /** The provider has answered this conversation so far: its own reasoning may go back to it. */
  sameProvider: boolean;
  names: ToolNaming;
}

/** What an answer is read and written with. Time and ids come from the caller, which keeps the whole package pure. */
export interface AnswerContext {
  drops: DropLog;
  /** Seconds since 1970. */
  now: number;
  /** A fresh id that begins with `prefix`. */
  id: (prefix: string) => string;
  /** Names the model where the upstream does not. */
  model: string;
  /** Chat Completions: show the chunk with usage. */
  includeUsage: boolean;
  /** Gemini: put every answer into the internal endpoint's envelope. */
  wrapped: boolean;
}

/** What a decoder learns about an answer besides its events. */
export interface AnswerHead {
  id: string | undefined;
  model: string | undefined;
  promptCacheKey: string | undefined;
  serviceTier: string | undefined;
}

export interface StreamDecoder extends Transducer<SseEvent, ChatEvent> {
  readonly head: AnswerHead;
  readonly usage: Usage | undefined;
  /** Ends the answer with an error, unless it is over. */
  fail: (failure: UpstreamError) => ChatEvent[];
  /** Takes head and usage from a whole answer that came in the place of a stream. */
  adopt: (body: Fields) => void;
}

export interface StreamEncoder extends Transducer<ChatEvent, SseEvent> {
  /** Set once the encoder had to end the stream with an error by itself. */
  readonly failure: UpstreamError | undefined;
}

/** One dialect, both ways. */
export interface Protocol {
  /** Throws ConversionError. */
  decodeRequest: (body: unknown, context: DecodeContext) => ChatRequest;
  /** `request.turns` are settled. Throws ConversionError. */
  encodeRequest: (request: ChatRequest, context: EncodeContext) => Fields;
  /** Throws ConversionError for a body that is no answer. */
  decodeResponse: (body: unknown, context: AnswerContext) => ChatResponse;
  encodeResponse: (response: ChatResponse, context: AnswerContext) => Fields;
  decoder: (context: AnswerContext) => StreamDecoder;
  encoder: (context: AnswerContext) => StreamEncoder;
}
