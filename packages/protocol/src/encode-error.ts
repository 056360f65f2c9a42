import type { Dialect } from './dialect.ts';
import { googleStatusName } from './http-status.ts';
import { encodeSseBytes } from './sse.ts';

/** What the hub answers with when it is the hub that says no. */
export interface HubError {
  status: number;
  /** Unset: by status. */
  type?: string;
  /** Unset: the type, or `http_<status>` for the type `api_error`. */
  code?: string;
  message: string;
  requestId?: string;
  details?: unknown;
  /** Further fields of the error object, e.g. a limit's figures. */
  extra?: Record<string, unknown>;
}

/** v0.3.42's types; clients compare them. Every other status is `api_error`. */
const types: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'payment_required_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'internal_server_error',
  502: 'bad_gateway_error',
  503: 'service_unavailable_error',
  504: 'gateway_timeout_error',
};

/** The error type that stands for a status when none is given. */
export function errorType(status: number): string {
  return types[status] ?? 'api_error';
}

/**
 * The body of an error answer. Common to all dialects is `{error: {message, type, code, details?}, request_id?}`;
 * Anthropic's clients also look for `type: "error"` at the top, Gemini's for `error.status`. `code` stays the string that
 * v0.3.42's clients know, in Gemini's dialect too.
 */
export function encodeError(dialect: Dialect, error: HubError): Record<string, unknown> {
  const type = error.type ?? errorType(error.status);
  const inner: Record<string, unknown> = {
    message: error.message,
    type,
    code: error.code ?? (type === 'api_error' ? `http_${error.status}` : type),
    ...error.extra,
  };
  if (dialect === 'gemini') inner.status = googleStatusName(error.status);
  if (error.details !== undefined) inner.details = error.details;
  const body: Record<string, unknown> = dialect === 'anthropic' ? { type: 'error', error: inner } : { error: inner };
  if (error.requestId !== undefined) body.request_id = error.requestId;
  return body;
}

/** What a Responses client has seen of the response that now fails. Unset fields are left out or null. */
export interface FailedResponse {
  /** Id of the response as announced; strict clients refuse another one. */
  responseId?: string;
  model?: string;
  /** Time, seconds. */
  createdAt?: number;
  sequenceNumber?: number;
}

/**
 * The event that ends a stream in which something went wrong after its start. Nothing may follow it: Chat's stream gets no
 * `[DONE]`, which would make the answer look whole.
 */
export function encodeStreamError(dialect: Dialect, error: HubError, failed: FailedResponse = {}): Uint8Array {
  switch (dialect) {
    case 'anthropic':
      return encodeSseBytes({ event: 'error', data: JSON.stringify(encodeError(dialect, error)) });
    case 'openai-chat':
      return encodeSseBytes({ event: '', data: JSON.stringify(encodeError(dialect, error)) });
    case 'openai-responses':
      return encodeSseBytes({ event: 'response.failed', data: JSON.stringify(failedEvent(error, failed)) });
    case 'gemini': {
      // Google's SDK throws only if the code is a number of 400 or more.
      const inner = { code: error.status, message: error.message, status: googleStatusName(error.status) };
      return encodeSseBytes({ event: '', data: JSON.stringify({ error: inner }) });
    }
  }
}

function failedEvent(error: HubError, failed: FailedResponse): Record<string, unknown> {
  const event: Record<string, unknown> = {
    type: 'response.failed',
    response: {
      id: failed.responseId ?? '',
      object: 'response',
      created_at: failed.createdAt ?? 0,
      status: 'failed',
      error: { code: responsesCode(error.status), message: error.message, type: error.type ?? errorType(error.status) },
      incomplete_details: null,
      instructions: null,
      metadata: {},
      model: failed.model ?? '',
      output: [],
      parallel_tool_calls: true,
      temperature: null,
      tool_choice: 'auto',
      tools: [],
      top_p: null,
      usage: null,
    },
  };
  if (failed.sequenceNumber !== undefined) event.sequence_number = failed.sequenceNumber;
  return event;
}

/** Responses has a closed list of codes for failed responses; typed clients know no others. */
function responsesCode(status: number): string {
  if (status === 429 || status === 402) return 'rate_limit_exceeded';
  return status >= 400 && status < 500 && status !== 408 ? 'invalid_prompt' : 'server_error';
}
