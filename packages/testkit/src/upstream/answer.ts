import { anthropicBody, anthropicStream } from './anthropic.ts';
import { chatBody, chatStream } from './chat.ts';
import { geminiArray, geminiBody, geminiStream } from './gemini.ts';
import type { Reply } from './reply.ts';
import type { UpstreamDialect, UpstreamRequest } from './request.ts';
import { responsesBody, responsesStream } from './responses.ts';

/** An answer before it goes over the wire. Every frame is written by itself, as one HTTP chunk. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly frames: readonly (string | Uint8Array)[];
}

const identity = { 'request-id': 'req_fake_000000000001' };

/** @param headers replace the usual ones of the same name */
export function json(body: unknown, status = 200, headers: Answer['headers'] = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...identity, ...headers }, frames: [JSON.stringify(body)] };
}

/** An event stream of ready-made frames. */
export function eventStream(frames: Answer['frames'], headers: Answer['headers'] = {}): Answer {
  return { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...identity, ...headers }, frames };
}

/** What a healthy provider answers to `request`: every dialect, streamed or not, token counts, model lists. */
export function healthyAnswer(request: UpstreamRequest, reply: Reply = {}): Answer {
  const [path = '', query = ''] = request.path.split('?', 2);
  if (request.method === 'GET' && /\/models\/?$/.test(path)) return json(modelList(request, path));
  if (request.method !== 'POST') return json(errorBody(request.dialect, 404), 404);
  if (/\/messages\/count_tokens\/?$/i.test(path)) return json({ input_tokens: 120 });
  if (/\/embeddings\/?$/.test(path)) return json(embeddings());
  const body = fieldsOf(request.json);
  const asked = withModel(reply, body['model']);
  if (request.dialect === 'gemini') return geminiAnswer(path, query, reply);
  if (request.dialect === 'anthropic') {
    return body['stream'] === true ? eventStream(anthropicStream(asked)) : json(anthropicBody(asked));
  }
  if (request.dialect === 'openai-responses') {
    return body['stream'] === true ? eventStream(responsesStream(asked)) : json(responsesBody(asked));
  }
  if (!/\/chat\/completions\/?$/i.test(path)) return json(errorBody(request.dialect, 404), 404);
  if (body['stream'] !== true) return json(chatBody(asked));
  const includeUsage = fieldsOf(body['stream_options'])['include_usage'] === true;
  return eventStream(chatStream({ ...asked, includeUsage }));
}

function geminiAnswer(path: string, query: string, reply: Reply): Answer {
  const [, model, operation] = /models\/([^/:]+):(\w+)$/.exec(path) ?? [];
  const asked = withModel(reply, model);
  if (operation === 'countTokens') return json({ totalTokens: 120, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 120 }] });
  if (operation === 'generateContent') return json(geminiBody(asked));
  if (operation !== 'streamGenerateContent') return json(errorBody('gemini', 404), 404);
  if (new URLSearchParams(query).get('alt') === 'sse') return eventStream(geminiStream(asked));
  return { ...json(undefined), frames: geminiArray(asked) };
}

function withModel(reply: Reply, model: unknown): Reply {
  return reply.model === undefined && typeof model === 'string' ? { ...reply, model } : reply;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

const models = {
  anthropic: ['claude-opus-4-1-20250805', 'claude-sonnet-4-5-20250929'],
  openai: ['gpt-4o', 'gpt-5', 'gpt-5-codex'],
  gemini: ['gemini-2.5-flash', 'gemini-2.5-pro'],
};

function modelList(request: UpstreamRequest, path: string): unknown {
  if (path.includes('/v1beta/')) {
    const list = models.gemini.map((name) => ({ name: `models/${name}`, displayName: name, supportedGenerationMethods: ['generateContent', 'streamGenerateContent'] }));
    return { models: list };
  }
  if (request.headers['anthropic-version'] !== undefined) {
    const list = models.anthropic.map((id) => ({ type: 'model', id, display_name: id, created_at: '2025-09-29T00:00:00Z' }));
    return { data: list, has_more: false, first_id: list[0]?.id, last_id: list.at(-1)?.id };
  }
  return { object: 'list', data: models.openai.map((id) => ({ id, object: 'model', created: 1_754_000_000, owned_by: 'openai' })) };
}

function embeddings(): unknown {
  return {
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: [0.1, 0.2, 0.3] }],
    model: 'text-embedding-3-small',
    usage: { prompt_tokens: 8, total_tokens: 8 },
  };
}

const anthropicTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const geminiStatuses: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** An error in the words of `dialect`. */
export function errorBody(dialect: UpstreamDialect, status: number, message = `fake upstream error ${status}`): Record<string, unknown> {
  if (dialect === 'gemini') return { error: { code: status, message, status: geminiStatuses[status] ?? 'INTERNAL' } };
  if (dialect === 'anthropic') {
    return { type: 'error', error: { type: anthropicTypes[status] ?? 'api_error', message }, request_id: 'req_fake_000000000001' };
  }
  const type = status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error';
  return { error: { message, type, param: null, code: null } };
}
