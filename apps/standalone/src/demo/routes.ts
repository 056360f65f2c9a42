import { anthropic, anthropicInputTokens } from './anthropic.ts';
import { type Answer, compose } from './answer.ts';
import type { DemoDialect } from './dialect.ts';
import { asFields, type Fields } from './fields.ts';
import { gemini, geminiArrayFrames, geminiInputTokens } from './gemini.ts';
import { modelList } from './models.ts';
import { openaiChat } from './openai-chat.ts';
import { openaiResponses } from './openai-responses.ts';

export interface DemoRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Whether the client speaks of Anthropic's or Gemini's API in its headers. */
  readonly vendor: 'anthropic' | 'gemini' | undefined;
  /** The key that was presented, wherever it stood. */
  readonly key: string | undefined;
  readonly body: string;
}

export type DemoReply =
  | { readonly status: number; readonly json: object }
  | { readonly status: 200; readonly contentType: string; readonly frames: readonly string[] };

/** What a reply needs besides the request. */
export interface ReplyContext {
  /** The only key that is accepted. */
  readonly key: string;
  /** Twenty-four letters and digits, unique. */
  readonly id: string;
  /** Epoch seconds. */
  readonly now: number;
}

interface Route {
  readonly dialect: DemoDialect;
  readonly operation: 'generate' | 'count' | 'list';
  /** From the path, where the dialect has them there. */
  readonly model: string;
  readonly streaming: boolean;
}

/** The whole demo upstream, as a function. */
export function reply(request: DemoRequest, context: ReplyContext): DemoReply {
  const route = findRoute(request);
  if (route === undefined) return { status: 404, json: openaiChat.error(404, `the demo upstream has no ${request.method} ${request.path}`) };
  const { dialect } = route;
  const refuse = (status: number, message: string): DemoReply => ({ status, json: dialect.error(status, message) });
  if (request.key !== context.key) return refuse(401, 'the demo upstream only takes the key that was generated for it');
  if (route.operation === 'list') return { status: 200, json: modelList(shapeOf(request)) };
  const body = parse(request.body);
  if (body === undefined) return refuse(400, 'the request body is not a JSON object');
  if (route.operation === 'count') return { status: 200, json: count(dialect, body) };
  const ask = dialect.read(body, route);
  if (typeof ask === 'string') return refuse(400, ask);
  const answer = compose(ask, context.id, context.now);
  if (!ask.streaming) return { status: 200, json: dialect.whole(answer) };
  if (dialect === gemini && request.query.get('alt') !== 'sse') return arrayReply(answer);
  return { status: 200, contentType: 'text/event-stream; charset=utf-8', frames: dialect.frames(answer, ask) };
}

function findRoute({ method, path, vendor }: DemoRequest): Route | undefined {
  const simple = (dialect: DemoDialect, operation: Route['operation']): Route => ({ dialect, operation, model: '', streaming: false });
  switch (`${method} ${path}`) {
    case 'POST /v1/messages':
      return simple(anthropic, 'generate');
    case 'POST /v1/messages/count_tokens':
      return simple(anthropic, 'count');
    case 'POST /v1/chat/completions':
      return simple(openaiChat, 'generate');
    case 'POST /v1/responses':
      return simple(openaiResponses, 'generate');
    case 'GET /v1/models':
      return simple(vendor === 'anthropic' ? anthropic : vendor === 'gemini' ? gemini : openaiChat, 'list');
    case 'GET /v1beta/models':
      return simple(gemini, 'list');
  }
  const [, model, action] = /^\/v1(?:beta)?\/models\/([^/:]+):(\w+)$/.exec(path) ?? [];
  if (method !== 'POST' || model === undefined) return undefined;
  if (action === 'countTokens') return { ...simple(gemini, 'count'), model };
  if (action === 'generateContent') return { ...simple(gemini, 'generate'), model };
  if (action === 'streamGenerateContent') return { ...simple(gemini, 'generate'), model, streaming: true };
  return undefined;
}

function shapeOf({ path, vendor }: DemoRequest): 'anthropic' | 'gemini' | 'openai' {
  return path.startsWith('/v1beta/') ? 'gemini' : (vendor ?? 'openai');
}

function parse(text: string): Fields | undefined {
  try {
    return asFields(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function count(dialect: DemoDialect, body: Fields): object {
  return dialect === gemini ? { totalTokens: geminiInputTokens(body) } : { input_tokens: anthropicInputTokens(body) };
}

function arrayReply(answer: Answer): DemoReply {
  return { status: 200, contentType: 'application/json; charset=utf-8', frames: geminiArrayFrames(answer) };
}
