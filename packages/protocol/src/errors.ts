import { asArray, asFields, asText, parseJson } from './json.ts';
import type { Fields } from './json.ts';
import { reasonPhrase, statusOfErrorName } from './http-status.ts';

/** What an upstream said went wrong. Beside an HTTP status it may come inside a 200, as a body or as an event of a stream. */
export interface UpstreamError {
  /** HTTP status; for an error inside a 200 the one that its code or type stands for, 500 when nothing tells. */
  status: number;
  /** The upstream's own error type or status name, e.g. `overloaded_error`. */
  type?: string;
  /** The upstream's text: at most 500 characters of a page or plain text, 4,000 of a JSON message. */
  message: string;
  code?: string | number;
  /** The upstream's request id, from the body, else from the headers. */
  requestId?: string;
}

const maxPlainCharacters = 500;
const maxMessageCharacters = 4000;
/** How deep JSON written into a string inside JSON is followed; relays behind relays wrap errors this way. */
const maxNesting = 4;

/**
 * The error of an upstream's non-2xx answer: JSON of any shape, an HTML page (its title), plain text, or nothing.
 * `header` looks a response header up by its lower-case name.
 */
export function readUpstreamError(
  status: number,
  header: (name: string) => string | undefined,
  bodyText: string,
): UpstreamError {
  const body = parseJson(bodyText);
  const structured = asFields(body) !== undefined || asArray(body) !== undefined;
  const found = structured ? findError(body, 0) : undefined;
  const text = structured ? found?.message : plainMessage(bodyText);
  const error: UpstreamError = { status, message: text ?? `Provider returned ${status}: ${reasonPhrase(status)}` };
  if (found?.type !== undefined) error.type = found.type;
  if (found?.code !== undefined) error.code = found.code;
  const requestId =
    findRequestId(body, 0) ??
    requestIdInText(error.message) ??
    asText(header('x-request-id')) ??
    asText(header('request-id')) ??
    asText(header('x-amzn-requestid'));
  if (requestId !== undefined) error.requestId = requestId;
  return error;
}

/** The error as one line: the type goes first if there is one and the text does not already start with it. */
export function upstreamErrorText(error: UpstreamError): string {
  return error.type === undefined || error.message.startsWith(error.type) ? error.message : `${error.type}: ${error.message}`;
}

/**
 * The error that a payload inside a 200 stands for: an error event, or a body with an error object in any dialect's shape.
 * `name` is the event's name (empty for a whole body). Undefined for everything else.
 */
export function errorInPayload(payload: Fields, name: string): UpstreamError | undefined {
  if (!looksLikeError(payload, name)) return undefined;
  const found = findError(payload, 0) ?? {};
  const error: UpstreamError = { status: statusInside(payload, found), message: found.message ?? 'unspecified upstream error' };
  if (found.type !== undefined) error.type = found.type;
  if (found.code !== undefined) error.code = found.code;
  const requestId = findRequestId(payload, 0) ?? requestIdInText(error.message);
  if (requestId !== undefined) error.requestId = requestId;
  return error;
}

interface FoundError {
  type?: string;
  message?: string;
  code?: string | number;
}

function looksLikeError(payload: Fields, name: string): boolean {
  if (name === 'error' || payload.type === 'error' || payload.object === 'error' || payload.type === 'response.failed') return true;
  if (payload.error != null && saysSomething(payload.error)) return true;
  if (asFields(payload.response)?.status === 'failed' || payload.status === 'failed') return true;
  return isBareRefusal(payload);
}

/** Some relays put an `error` with nothing in it into good answers. */
function saysSomething(error: unknown): boolean {
  const fields = asFields(error);
  if (fields === undefined) return asText(error) !== undefined;
  return [fields.message, fields.type, fields.code, fields.status, fields.msg].some((value) => value != null && value !== '' && value !== 0);
}

/** `{code, msg}` or `{success: false, message}` and no answer beside it: how many relays refuse with status 200. */
function isBareRefusal(payload: Fields): boolean {
  const text = asText(payload.message) ?? asText(payload.msg) ?? asText(payload.detail);
  if (text === undefined || answerKeys.some((key) => key in payload)) return false;
  if (payload.success === false || typeof payload.status === 'number') return true;
  return payload.code != null && payload.code !== 0 && payload.code !== 200;
}

const answerKeys = ['type', 'object', 'choices', 'candidates', 'content', 'output', 'response', 'promptFeedback'];

/** The innermost error of a value: objects in objects, lists, and JSON inside strings. */
function findError(value: unknown, depth: number): FoundError | undefined {
  if (depth > maxNesting) return undefined;
  const list = asArray(value);
  if (list !== undefined) return findError(list[0], depth + 1);
  const fields = asFields(value);
  if (fields === undefined) return findErrorInText(value, depth);
  const holder = fields.error ?? asFields(fields.response)?.error ?? asArray(fields.errors)?.[0];
  const inner = saysSomething(holder) ? findError(holder, depth + 1) : undefined;
  // A plain text in `error` is a title; a `message` beside it says more.
  if (typeof holder === 'string' && inner?.type === undefined) return ownError(fields, depth) ?? inner;
  return inner ?? ownError(fields, depth);
}

function findErrorInText(value: unknown, depth: number): FoundError | undefined {
  const text = asText(value)?.trim();
  if (text === undefined || text === '') return undefined;
  const nested = text.startsWith('{') || text.startsWith('[') ? findError(parseJson(text), depth + 1) : undefined;
  return nested ?? { message: cut(text, maxMessageCharacters) };
}

function ownError(fields: Fields, depth: number): FoundError | undefined {
  const text = asText(fields.message) ?? asText(fields.msg) ?? asText(fields.error_msg) ?? asText(fields.error_description);
  const inner = findErrorInText(text, depth) ?? findDetail(fields.detail, depth);
  const found: FoundError = { ...inner };
  // Gemini's name for what the others call a type; `error` and `response.failed` only say that the event is an error.
  const type = asText(fields.type) ?? asText(fields.status);
  if (found.type === undefined && type !== undefined && type !== 'error' && type !== 'response.failed') found.type = type;
  const code = fields.code;
  if (found.code === undefined && (asText(code) !== undefined || (typeof code === 'number' && Number.isFinite(code)))) {
    found.code = code as string | number;
  }
  return found.message === undefined && found.type === undefined && found.code === undefined ? undefined : found;
}

/** FastAPI: `detail` is a text, an error, or a list of `{loc, msg}`. */
function findDetail(detail: unknown, depth: number): FoundError | undefined {
  return detail == null ? undefined : findError(detail, depth + 1);
}

/** `status`, `status_code` and numeric codes of the payload itself first, then what the names stand for. */
function statusInside(payload: Fields, found: FoundError): number {
  const inner = asFields(payload.error) ?? {};
  for (const value of [found.code, inner.status, inner.status_code, payload.status, payload.status_code, payload.code]) {
    const number = typeof value === 'string' ? Number(value) : value;
    if (typeof number === 'number' && number >= 400 && number <= 599 && Number.isInteger(number)) return number;
  }
  for (const name of [found.code, found.type]) {
    const status = typeof name === 'string' ? statusOfErrorName(name) : undefined;
    if (status !== undefined) return status;
  }
  return 500;
}

const requestIdNames = ['request_id', 'requestId'] as const;
const requestIdHolders = ['error', 'upstream_error', 'response', 'message', 'detail'] as const;

/** `request_id` or `requestId` at the top, in the error, in what the error wraps, or in JSON inside a string. */
function findRequestId(value: unknown, depth: number): string | undefined {
  if (depth > maxNesting) return undefined;
  if (typeof value === 'string') return value.trimStart().startsWith('{') ? findRequestId(parseJson(value), depth + 1) : undefined;
  const fields = asFields(asArray(value)?.[0] ?? value);
  if (fields === undefined) return undefined;
  for (const name of requestIdNames) {
    const id = asText(fields[name]);
    if (id !== undefined) return id.trim();
  }
  for (const name of requestIdHolders) {
    const id = findRequestId(fields[name], depth + 1);
    if (id !== undefined) return id;
  }
  return undefined;
}

function requestIdInText(text: string): string | undefined {
  return /request[ _-]?id["']?\s*[:=]\s*["']?([\w.:-]{4,128})/i.exec(text)?.[1];
}

/** A page's title or visible text, or the plain text itself; undefined if nothing is left. */
function plainMessage(bodyText: string): string | undefined {
  // Pages can be long, and only their head is of use.
  const head = bodyText.slice(0, 8 * 1024);
  if (!/^[\s\uFEFF]*<(?:!doctype|html|head|body|title|h1|\?xml)/i.test(head)) return asText(cut(head.trim(), maxPlainCharacters));
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(head)?.[1] ?? /<h1[^>]*>([^<]*)<\/h1>/i.exec(head)?.[1];
  return asText(tidy(title ?? '')) ?? asText(tidy(withoutTags(head)));
}

function withoutTags(html: string): string {
  return html.replace(/<(script|style)\b[^>]*>[^<]*(?:<(?!\/\1)[^<]*)*<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', '#39': "'" };

function tidy(text: string): string {
  const plain = text.replace(/&(amp|lt|gt|quot|nbsp|#39);/g, (_, name: string) => entities[name] ?? ' ');
  return cut(plain.replace(/\s+/g, ' ').trim(), maxPlainCharacters);
}

/** At most `length` units, without leaving half a surrogate pair. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
