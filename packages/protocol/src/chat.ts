import type { Dialect } from './dialect.ts';
import type { UpstreamError } from './errors.ts';
import type { Fields } from './json.ts';
import type { Usage } from './usage.ts';

/**
 * The middle form that every dialect is read into and written from. It holds what at least two dialects can say; what only
 * one of them knows stays in `extra` until the target's encoder has taken or reported it.
 */
export interface ChatRequest {
  /** The model the client named; empty in Gemini, which names it in the path. */
  model: string;
  streaming: boolean;
  /** Chat Completions: the client asked for the extra chunk with usage. */
  includeUsage: boolean;
  /** Gemini: the request came in the envelope of Gemini CLI's internal endpoint. */
  wrapped: boolean;
  /** Instructions before the first turn, one part per block. */
  system: TextPart[];
  turns: Turn[];
  tools: Tool[];
  webSearch: WebSearch | undefined;
  toolChoice: ToolChoice | undefined;
  /** Unset: the dialect's default, which is true everywhere. */
  parallelTools: boolean | undefined;
  /** Ceiling for the answer, tokens; reasoning counts. */
  maxTokens: number | undefined;
  temperature: number | undefined;
  topP: number | undefined;
  topK: number | undefined;
  stop: string[];
  seed: number | undefined;
  presencePenalty: number | undefined;
  frequencyPenalty: number | undefined;
  reasoning: Reasoning | undefined;
  output: OutputFormat | undefined;
  verbosity: string | undefined;
  /** Opaque name of the end user. */
  user: string | undefined;
  /** Requests with the same key share a prompt prefix. */
  cacheKey: string | undefined;
  /** The client asked for prompt caching in any form. */
  cached: boolean;
  /** `auto`, `default`, or a tier that only one vendor has. */
  serviceTier: string | undefined;
  /** Top-level fields (in Gemini also those of generationConfig) that no other dialect may know. */
  extra: Fields;
}

/** One side's uninterrupted contribution. `system` only after the conversation has begun. */
export interface Turn {
  role: 'user' | 'assistant' | 'system';
  parts: Part[];
}

export type Part =
  | TextPart
  | ImagePart
  | DocumentPart
  | AudioPart
  | ReasoningPart
  | RefusalPart
  | ToolCallPart
  | ToolResultPart
  | SearchPart;

/** Asks to cache the prompt up to and including the part that carries it. */
export interface CacheHint {
  ttl?: string;
}

export interface TextPart {
  type: 'text';
  text: string;
  cache?: CacheHint;
  /** What an answer's text rests on. */
  citations?: Citation[];
}

/** Where an image, document or recording is. */
export type MediaSource =
  | { kind: 'base64'; mediaType: string; data: string }
  | { kind: 'url'; url: string; mediaType?: string }
  /** Stored at one vendor, of no use to another. */
  | { kind: 'file'; id: string; vendor: Vendor };

export type Vendor = 'anthropic' | 'openai' | 'google';

export interface ImagePart {
  type: 'image';
  source: MediaSource;
  /** OpenAI's `low`, `high`, `auto`. */
  detail?: string;
  cache?: CacheHint;
}

export interface DocumentPart {
  type: 'document';
  source: MediaSource | { kind: 'text'; text: string };
  name?: string;
  cache?: CacheHint;
}

export interface AudioPart {
  type: 'audio';
  source: MediaSource;
}

/** What the model thought, in its own words or summarised. */
export interface ReasoningPart {
  type: 'reasoning';
  text: string;
  seal?: Seal;
}

/**
 * The upstream's proof that a piece of reasoning is its own: Anthropic's signature, OpenAI's encrypted content, Gemini's
 * thought signature. Only the provider that made it may see it again, and then exactly as it was.
 */
export interface Seal {
  origin: Dialect;
  /** Empty: the upstream gave no proof, only the origin is known. */
  data: string;
  /** The vendor's id of the piece, if it has one. */
  id?: string;
  /** Anthropic: the whole piece is hidden (`redacted_thinking`). */
  redacted?: boolean;
}

export interface RefusalPart {
  type: 'refusal';
  text: string;
}

export interface ToolCallPart {
  type: 'tool-call';
  id: string;
  name: string;
  /** OpenAI Responses: the group of tools that the name belongs to. */
  namespace?: string;
  /** The input is free text, not JSON. */
  custom?: boolean;
  /** JSON text as the model wrote it; free text for a custom tool. */
  input: string;
  cache?: CacheHint;
}

export interface ToolResultPart {
  type: 'tool-result';
  /** Id of the call that it answers. */
  id: string;
  /** The tool's, where the dialect repeats it; once turns are settled, always. */
  name?: string;
  namespace?: string;
  custom?: boolean;
  parts: (TextPart | ImagePart | DocumentPart)[];
  failed: boolean;
  cache?: CacheHint;
}

/** A web search that the upstream ran by itself. */
export interface SearchPart {
  type: 'search';
  id?: string;
  queries: string[];
  results: { url: string; title: string }[];
}

export interface Citation {
  url: string;
  title: string;
  /** The cited words, if given. */
  text?: string;
}

export interface Tool {
  name: string;
  namespace?: string;
  description?: string;
  /** JSON Schema of the arguments; undefined for a custom tool. */
  schema?: Fields;
  /** Arguments must match the schema exactly. Unset: the dialect's default. */
  strict?: boolean;
  /** Takes free text instead of JSON, in this format (a grammar, in OpenAI's words). */
  custom?: { format?: Fields };
  cache?: CacheHint;
}

export interface WebSearch {
  allowedDomains?: string[];
  blockedDomains?: string[];
  maxUses?: number;
  /** `low`, `medium`, `high`. */
  contextSize?: string;
  location?: { city?: string; region?: string; country?: string; timezone?: string };
}

export type ToolChoice =
  | { type: 'auto' | 'none' | 'required' }
  | { type: 'tool'; name: string; namespace?: string; custom?: boolean }
  /** Only these, freely (`auto`) or certainly (`required`). */
  | { type: 'allowed'; names: string[]; required: boolean };

export type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

export interface Reasoning {
  /** `adaptive`: the model decides how much. */
  mode: 'off' | 'on' | 'adaptive';
  effort?: Effort;
  /** Tokens. */
  budget?: number;
  /** The client wants to read it. Unset: not said. */
  visible?: boolean;
}

export type OutputFormat =
  | { type: 'json' }
  | { type: 'schema'; schema: Fields; name?: string; description?: string; strict?: boolean };

/** Why an answer ended. `pause`: the upstream wants to be called again; `context`: the window is full. */
export type FinishReason =
  | 'stop'
  | 'stop-sequence'
  | 'length'
  | 'context'
  | 'tool-calls'
  | 'refusal'
  | 'content-filter'
  | 'pause';

/** A whole answer. */
export interface ChatResponse {
  id: string | undefined;
  model: string | undefined;
  /** Seconds since 1970. */
  created: number | undefined;
  parts: AnswerPart[];
  finish: FinishReason;
  stopSequence: string | undefined;
  usage: Usage | undefined;
  serviceTier: string | undefined;
}

export type AnswerPart = TextPart | ReasoningPart | RefusalPart | ToolCallPart | SearchPart | ImagePart;

/**
 * A streamed answer. Blocks never overlap: after a `*-start` come only its deltas until its `*-end`. Exactly one `start`
 * comes first, exactly one `finish` or `error` last; only an `error` may come while a block is open.
 */
export type ChatEvent =
  | { type: 'start'; id: string | undefined; model: string | undefined; created: number | undefined; usage: Usage | undefined }
  | { type: 'text-start' }
  | { type: 'text-delta'; text: string }
  | { type: 'citation'; citation: Citation }
  | { type: 'text-end' }
  | { type: 'reasoning-start' }
  | { type: 'reasoning-delta'; text: string }
  | { type: 'reasoning-end'; seal: Seal }
  | { type: 'refusal-start' }
  | { type: 'refusal-delta'; text: string }
  | { type: 'refusal-end' }
  | { type: 'tool-start'; id: string; name: string; namespace: string | undefined; custom: boolean }
  | { type: 'tool-delta'; text: string }
  | { type: 'tool-end' }
  | { type: 'search'; search: SearchPart }
  | { type: 'image'; mediaType: string; data: string }
  | { type: 'finish'; reason: FinishReason; stopSequence: string | undefined; usage: Usage | undefined }
  | { type: 'error'; failure: UpstreamError };

/** A request with nothing in it, for decoders to fill. */
export function emptyRequest(model: string): ChatRequest {
  return {
    model,
    streaming: false,
    includeUsage: false,
    wrapped: false,
    system: [],
    turns: [],
    tools: [],
    webSearch: undefined,
    toolChoice: undefined,
    parallelTools: undefined,
    maxTokens: undefined,
    temperature: undefined,
    topP: undefined,
    topK: undefined,
    stop: [],
    seed: undefined,
    presencePenalty: undefined,
    frequencyPenalty: undefined,
    reasoning: undefined,
    output: undefined,
    verbosity: undefined,
    user: undefined,
    cacheKey: undefined,
    cached: false,
    serviceTier: undefined,
    extra: {},
  };
}

/** For the end of a `switch` over a closed union: does not compile while a case is missing. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value ${JSON.stringify(value)}`);
}
