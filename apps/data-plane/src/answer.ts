import { encodeError, type Dialect } from '@hub/protocol';
import { type Exchange, header, type RequestHeaders, type ResponseHeaders } from './exchange.ts';
import type { HubFault } from './faults.ts';

/** The hub's own answers, each complete in one piece. */

const allowedMethods = 'GET,POST,PUT,PATCH,DELETE,OPTIONS';
const allowedHeaders = 'authorization,x-api-key,x-goog-api-key,content-type,anthropic-version,x-session-id,x-client-version';
const exposedHeaders = 'x-request-id,x-ratelimit-limit,x-ratelimit-remaining,x-ratelimit-reset,retry-after';

/** CORS headers of every answer (contract C1): any origin may call, since the credential is never a cookie. */
export function corsHeaders(headers: RequestHeaders): Record<string, string> {
  const origin = header(headers, 'origin');
  if (origin === undefined) return { 'access-control-allow-origin': '*', 'access-control-expose-headers': exposedHeaders };
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': exposedHeaders,
    vary: 'Origin',
  };
}

export function answerPreflight(exchange: Exchange): void {
  exchange.sink.start(204, {
    ...corsHeaders(exchange.headers),
    'access-control-allow-methods': allowedMethods,
    'access-control-allow-headers': header(exchange.headers, 'access-control-request-headers') ?? allowedHeaders,
    'access-control-max-age': '86400',
  });
  exchange.sink.end();
}

export function answerJson(exchange: Exchange, status: number, body: unknown, extra: ResponseHeaders = {}): void {
  const bytes = Buffer.from(JSON.stringify(body));
  exchange.sink.start(status, {
    ...corsHeaders(exchange.headers),
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(bytes.length),
    ...extra,
  });
  exchange.sink.end(bytes);
}

/**
 * The one place where a fault becomes an answer. On Anthropic's routes our own 401 and 403 tell the client not to try
 * again: without it Claude Code repeats for minutes.
 */
export function answerFault(exchange: Exchange, fault: HubFault, dialect: Dialect): void {
  if (exchange.sink.started) return exchange.sink.destroy();
  const headers: ResponseHeaders = { ...fault.detail.headers };
  if (dialect === 'anthropic' && (fault.status === 401 || fault.status === 403)) headers['x-should-retry'] = 'false';
  if (fault.status === 413) headers['connection'] = 'close';
  if (fault.detail.body !== undefined) {
    return answerJson(exchange, fault.status, fault.detail.body, { ...headers, 'content-type': 'application/json' });
  }
  const body = encodeError(dialect, {
    status: fault.status,
    type: fault.type,
    code: fault.code,
    message: fault.message,
    requestId: fault.detail.requestId,
    details: fault.detail.details,
    extra: fault.detail.fields,
  });
  answerJson(exchange, fault.status, body, headers);
}
