import type { Dialect } from '@hub/protocol';
import { type Exchange, header, type RequestHeaders } from '../exchange.ts';
import { HubFault } from '../faults.ts';
import { type ClientFormat, dialectOf, type Operation, type Route } from '../routes.ts';
import { isRecord, type JsonObject } from './json.ts';

/** A client's request, read once and never changed. What an upstream gets is derived from it per attempt. */
export interface ProxyRequest {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly headers: RequestHeaders;
  readonly clientAddress: string;
  readonly arrivedAt: number;
  readonly operation: Operation;
  readonly format: ClientFormat;
  readonly dialect: Dialect;
  /** As it came (decoded). */
  readonly bytes: Buffer;
  /** The body if it is a JSON object. */
  readonly body: JsonObject | undefined;
  readonly model: string | undefined;
  /** Where the model was found; decides what a model redirect has to rewrite. */
  readonly modelFrom: 'body' | 'path' | 'none';
  readonly streaming: boolean;
  /** Number of entries of messages, input or contents. */
  readonly messageCount: number;
  readonly userAgent: string | undefined;
}

/** From this size on, a body without a model was most likely cut on its way (contract C1.2). Bytes. */
const suspiciousBytes = 10 * 1024 * 1024;
/** v0.3.42's choice for a Gemini-shaped body that names no model. */
const geminiFallbackModel = 'gemini-2.5-flash';

/**
 * Reads and understands a request.
 * @throws BodyProblem, HubFault (400) in the words of the client's dialect
 */
export async function readRequest(
  exchange: Exchange,
  route: Route & { kind: 'proxy' },
  { limit, stranger }: { readonly limit: number; readonly stranger: boolean },
): Promise<ProxyRequest> {
  const hasBody = exchange.method !== 'GET' && exchange.method !== 'HEAD';
  const bytes = hasBody ? await exchange.readBody(limit) : Buffer.alloc(0);
  const parsed = parseBody(bytes, route, exchange.headers);
  const body = isRecord(parsed) ? parsed : undefined;
  const format = formatOf(route, body);
  if (route.chat) checkChatShape(body, stranger);
  const { model, modelFrom } = modelOf(body, exchange.path);
  if (model === undefined && bytes.length >= suspiciousBytes) {
    throw new HubFault('model_missing', 'The request names no model and is larger than 10 MiB: it was probably cut on its way.');
  }
  return {
    method: exchange.method,
    path: exchange.path,
    search: exchange.search,
    headers: exchange.headers,
    clientAddress: clientAddressOf(exchange),
    arrivedAt: exchange.arrivedAt,
    operation: route.operation,
    format,
    dialect: dialectOf[format],
    bytes,
    body,
    model,
    modelFrom,
    streaming: isStreaming(format, exchange, body),
    messageCount: conversationOf(body)?.length ?? 0,
    userAgent: header(exchange.headers, 'user-agent'),
  };
}

function parseBody(bytes: Buffer, route: Route & { kind: 'proxy' }, headers: RequestHeaders): unknown {
  if (bytes.length === 0) {
    if (route.operation === 'generate') throw new HubFault('invalid_json', 'The request body is empty; a JSON object is expected.');
    return undefined;
  }
  const needed = route.operation !== 'other';
  const type = header(headers, 'content-type') ?? '';
  if (!needed && type !== '' && !type.includes('json')) return undefined;
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    if (needed && !isRecord(parsed)) throw new HubFault('invalid_json', 'The request body must be a JSON object.');
    return parsed;
  } catch (error) {
    if (error instanceof HubFault) throw error;
    if (!needed) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new HubFault('invalid_json', `The request body is not valid JSON: ${reason.slice(0, 200)}`);
  }
}

/** Contract C1.1: the path decides; on the two chat paths and on unknown paths the body does. */
function formatOf(route: Route & { kind: 'proxy' }, body: JsonObject | undefined): ClientFormat {
  if (route.format !== undefined) return route.format;
  if (body === undefined) return 'claude';
  if (route.chat) return Array.isArray(body['messages']) ? 'openai' : 'response';
  if (isRecord(body['request'])) return 'gemini-cli';
  if (Array.isArray(body['contents'])) return 'gemini';
  if (Array.isArray(body['input'])) return 'response';
  if (Array.isArray(body['messages'])) return Array.isArray(body['system']) ? 'claude' : 'openai';
  return 'claude';
}

/**
 * Contract C1.3. v0.3.42 takes a text as `input` for a missing one. The official SDK sends it, so callers may; strangers
 * hear what they always heard.
 */
function checkChatShape(body: JsonObject | undefined, stranger: boolean): void {
  const messages = body?.['messages'];
  const input = body?.['input'];
  if (!Array.isArray(messages) && !Array.isArray(input) && (stranger || typeof input !== 'string')) {
    throw new HubFault('missing_required_fields', 'The request needs "messages" (Chat Completions) or "input" (Responses).');
  }
  const model = body?.['model'];
  if (typeof model !== 'string' || model === '') {
    throw new HubFault('missing_required_fields', 'Invalid request: model is required');
  }
}

function modelOf(body: JsonObject | undefined, path: string): Pick<ProxyRequest, 'model' | 'modelFrom'> {
  const named = body?.['model'];
  if (typeof named === 'string' && named !== '') return { model: named, modelFrom: 'body' };
  const match = /^\/v1(?:beta|internal)?\/models\/([^/:]+)/i.exec(path);
  if (match?.[1] !== undefined) return { model: decodeURIComponent(match[1]), modelFrom: 'path' };
  if (Array.isArray(body?.['contents']) || isRecord(body?.['request'])) return { model: geminiFallbackModel, modelFrom: 'none' };
  return { model: undefined, modelFrom: 'none' };
}

function isStreaming(format: ClientFormat, exchange: Exchange, body: JsonObject | undefined): boolean {
  if (body?.['stream'] === true) return true;
  if (format !== 'gemini' && format !== 'gemini-cli') return false;
  return /:streamgeneratecontent$/i.test(exchange.path) || /[?&]alt=sse(?:&|$)/.test(exchange.search);
}

/** The list that makes up the conversation, in any dialect. */
export function conversationOf(body: JsonObject | undefined): readonly unknown[] | undefined {
  if (body === undefined) return undefined;
  for (const field of ['messages', 'input', 'contents'] as const) {
    const value = body[field];
    if (Array.isArray(value)) return value;
  }
  const wrapped = body['request'];
  if (isRecord(wrapped) && Array.isArray(wrapped['contents'])) return wrapped['contents'];
  return typeof body['input'] === 'string' ? [body['input']] : undefined;
}

function clientAddressOf(exchange: Exchange): string {
  const forwarded = header(exchange.headers, 'x-forwarded-for')?.split(',')[0]?.trim();
  return forwarded || header(exchange.headers, 'x-real-ip') || exchange.remoteAddress;
}
