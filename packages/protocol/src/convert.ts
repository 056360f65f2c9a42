import { anthropic } from './anthropic/index.ts';
import type { ChatResponse } from './chat.ts';
import type { Dialect } from './dialect.ts';
import { AnswerError, ConversionError, DropLog } from './drops.ts';
import type { Drop } from './drops.ts';
import { errorInPayload } from './errors.ts';
import { gemini } from './gemini/index.ts';
import { asFields } from './json.ts';
import type { Fields } from './json.ts';
import { openAiChat } from './openai-chat/index.ts';
import { openAiResponses } from './openai-responses/index.ts';
import type { AnswerContext, Protocol } from './protocol.ts';
import { ToolNaming } from './tool-names.ts';
import type { ToolNames } from './tool-names.ts';
import { settleTurns } from './turns.ts';
import { restoreNames } from './whole-answer.ts';

/** A new dialect is one folder and one line here. */
export const protocols: Record<Dialect, Protocol> = {
  anthropic,
  'openai-chat': openAiChat,
  'openai-responses': openAiResponses,
  gemini,
};

export interface ConversionContext {
  /** Seconds since 1970. */
  now: number;
  /** A fresh id that begins with `prefix`, of letters, digits, `_` and `-`. */
  id(prefix: string): string;
  /** The model that the upstream is asked for. */
  targetModel: string;
  /** The provider has answered this conversation so far and may see its own reasoning again. Unset: false. */
  sameProvider?: boolean;
  /** What the client's path says about streaming. Unset: the body says it (Gemini's does not, and is then not streamed). */
  streaming?: boolean;
  /** The upstream is Gemini CLI's internal endpoint, which wants the request in an envelope. Unset: false. */
  envelope?: boolean;
}

export interface ConvertedRequest {
  body: Record<string, unknown>;
  drops: Drop[];
  /** For the answer's conversion. */
  toolNames: ToolNames;
  streaming: boolean;
  /** The client asked for the extra chunk with usage (Chat Completions); for the answer's conversion. */
  includeUsage: boolean;
  /** The client's request came in the envelope; its answer must, too. For the answer's conversion. */
  wrapped: boolean;
  /** Headers that the body relies on. */
  headers: Record<string, string>;
}

export interface AnswerOptions extends ConversionContext {
  /** As `convertRequest` gave them. */
  toolNames: ToolNames;
  includeUsage?: boolean;
  wrapped?: boolean;
}

/**
 * A request body of dialect `from` as one of dialect `to`. Throws ConversionError for a body that is not legal, or that
 * asks for something without which it would mean something else: the client's fault, a 400.
 */
export function convertRequest(from: Dialect, to: Dialect, body: unknown, context: ConversionContext): ConvertedRequest {
  const drops = new DropLog(from, to);
  const request = protocols[from].decodeRequest(body, { drops, streaming: context.streaming });
  request.turns = settleTurns(request.turns, drops);
  const names = new ToolNaming(to);
  names.declare(request.tools);
  const encoded = protocols[to].encodeRequest(request, {
    drops,
    targetModel: context.targetModel,
    sameProvider: context.sameProvider ?? false,
    names,
  });
  if (names.renamed) drops.add('tool-names', 'tools');
  return {
    body: context.envelope === true ? { model: context.targetModel, request: encoded } : encoded,
    drops: drops.list,
    toolNames: names.originals,
    streaming: request.streaming,
    includeUsage: request.includeUsage,
    wrapped: request.wrapped,
    headers: headersOf(to),
  };
}

/** Later versions of Anthropic's API refuse temperature and others, which a converted body may carry. */
function headersOf(to: Dialect): Record<string, string> {
  return to === 'anthropic' ? { 'anthropic-version': '2023-06-01' } : {};
}

/**
 * A whole answer of the upstream's dialect `from` as one of the client's dialect `to`. Throws AnswerError for a body that
 * is an error or no answer at all.
 */
export function convertResponse(from: Dialect, to: Dialect, body: unknown, options: AnswerOptions): Record<string, unknown> {
  const context = answerContext(from, to, options);
  const response = readAnswer(from, body, context);
  return protocols[to].encodeResponse(restoreNames(response, options.toolNames, context.drops), context);
}

/** A whole answer in the middle form. Throws AnswerError. */
export function readAnswer(from: Dialect, body: unknown, context: AnswerContext): ChatResponse {
  const failure = errorInPayload(asFields(body) ?? {}, '');
  if (failure !== undefined) throw new AnswerError(failure);
  try {
    return protocols[from].decodeResponse(body, context);
  } catch (error) {
    if (error instanceof ConversionError) throw new AnswerError({ status: 502, message: `the upstream's answer cannot be read: ${error.message}` });
    throw error;
  }
}

/** The options as the dialects' answer functions want them. */
export function answerContext(from: Dialect, to: Dialect, options: AnswerOptions): AnswerContext {
  return {
    drops: new DropLog(from, to),
    now: options.now,
    id: (prefix) => options.id(prefix),
    model: options.targetModel,
    includeUsage: options.includeUsage ?? false,
    wrapped: options.wrapped ?? false,
  };
}

/** A converted answer as JSON text. Gemini's clients want two line separators escaped that JSON itself allows raw. */
export function answerText(to: Dialect, body: Fields): string {
  const json = JSON.stringify(body);
  if (to !== 'gemini' || !/[\u2028\u2029]/.test(json)) return json;
  return json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

/** Where the upstream's dialect expects a request, with its query; `envelope` as in ConversionContext. */
export function convertPath(to: Dialect, model: string, streaming: boolean, envelope = false): string {
  switch (to) {
    case 'anthropic':
      return '/v1/messages';
    case 'openai-chat':
      return '/v1/chat/completions';
    case 'openai-responses':
      return '/v1/responses';
    case 'gemini': {
      const method = streaming ? 'streamGenerateContent?alt=sse' : 'generateContent';
      if (envelope) return `/v1internal:${method}`;
      const name = model.replace(/^models\//, '');
      return `/v1beta/models/${name.split('/').map(encodeURIComponent).join('/')}:${method}`;
    }
  }
}

/**
 * What keeps a silent stream alive in the client's dialect; may be sent between any two events. Google's older SDK takes
 * a comment for a broken event, so it gets a chunk that says nothing.
 */
export function keepAlive(dialect: Dialect): string {
  if (dialect === 'anthropic') return 'event: ping\ndata: {"type":"ping"}\n\n';
  return dialect === 'gemini' ? 'data: {"candidates":[]}\n\n' : ': keep-alive\n\n';
}
