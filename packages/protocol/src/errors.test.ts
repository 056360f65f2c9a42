import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorInPayload } from './errors.ts';
import { readUpstreamError, upstreamErrorText } from './index.ts';
import type { UpstreamError } from './index.ts';

function read(body: unknown, status = 500, headers: Record<string, string> = {}): UpstreamError {
  return readUpstreamError(status, (name) => headers[name], typeof body === 'string' ? body : JSON.stringify(body));
}

describe('a non-2xx answer', () => {
  const cases: [string, unknown, Omit<UpstreamError, 'status'>][] = [
    [
      'Anthropic',
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' }, request_id: 'req_1' },
      { type: 'overloaded_error', message: 'Overloaded', requestId: 'req_1' },
    ],
    [
      'OpenAI',
      { error: { message: 'Bad key', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } },
      { type: 'invalid_request_error', message: 'Bad key', code: 'invalid_api_key' },
    ],
    [
      'Gemini',
      { error: { code: 400, message: 'API key not valid', status: 'INVALID_ARGUMENT', details: [] } },
      { type: 'INVALID_ARGUMENT', message: 'API key not valid', code: 400 },
    ],
    ['Gemini in a list', [{ error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED' } }], { type: 'RESOURCE_EXHAUSTED', message: 'Quota', code: 429 }],
    ['message alone', { message: 'nope' }, { message: 'nope' }],
    ['Bedrock', { __type: 'ThrottlingException', message: 'Too many' }, { message: 'Too many' }],
    ['error as a text', { error: 'nope' }, { message: 'nope' }],
    ['a message says more than error as a text', { error: 'Unauthorized', message: 'key expired' }, { message: 'key expired' }],
    ['OAuth', { error: 'invalid_grant', error_description: 'expired' }, { message: 'expired' }],
    ['FastAPI text', { detail: 'Not found' }, { message: 'Not found' }],
    ['FastAPI list', { detail: [{ loc: ['body'], msg: 'field required', type: 'missing' }] }, { message: 'field required', type: 'missing' }],
    ['code and msg', { code: 1302, msg: 'limit', data: null }, { message: 'limit', code: 1302 }],
    ['a list of errors', { errors: [{ message: 'first' }, { message: 'second' }] }, { message: 'first' }],
    [
      'JSON in the message',
      { error: { type: 'api_error', message: JSON.stringify({ error: { type: 'overloaded_error', message: 'inner' } }) } },
      { type: 'overloaded_error', message: 'inner' },
    ],
    ['JSON in error', { error: JSON.stringify({ type: 'error', error: { type: 'x', message: 'inner' } }) }, { type: 'x', message: 'inner' }],
    ['JSON that only looks so', { error: { message: '{not json' } }, { message: '{not json' }],
    ['a message that is no text', { error: { message: { text: 'x' }, type: 't' } }, { type: 't', message: 'Provider returned 500: Internal Server Error' }],
    ['plain text', '  upstream connect error\n', { message: 'upstream connect error' }],
    ['JSON text', '"just text"', { message: '"just text"' }],
    ['a page with a title', '<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway &amp; more</title></head></html>', { message: '502 Bad Gateway & more' }],
    ['a page with a heading', '<html><body><h1>Bad gateway</h1></body></html>', { message: 'Bad gateway' }],
    ['a page with neither', '<html><script>if (a < b) x()</script><body><p>Sorry,</p>\n<b>later</b></body>', { message: 'Sorry, later' }],
    ['an empty page', '<html></html>', { message: 'Provider returned 500: Internal Server Error' }],
    ['nothing', '', { message: 'Provider returned 500: Internal Server Error' }],
    ['blank', ' \n', { message: 'Provider returned 500: Internal Server Error' }],
    ['JSON that says nothing', { foo: 'bar' }, { message: 'Provider returned 500: Internal Server Error' }],
  ];

  it.each(cases)('%s', (_, body, expected) => {
    expect(read(body)).toEqual({ status: 500, ...expected });
  });

  it('has the status that came, and a phrase for it', () => {
    expect(read('', 529)).toEqual({ status: 529, message: 'Provider returned 529: Overloaded' });
    expect(read('', 302).message).toBe('Provider returned 302: Found');
    expect(read('', 599).message).toBe('Provider returned 599: Unknown');
  });

  it('cuts long texts', () => {
    expect(read('x'.repeat(9000)).message).toHaveLength(500);
    expect(read(`<html><title>${'y'.repeat(900)}</title>`).message).toHaveLength(500);
    expect(read({ error: { message: 'z'.repeat(9000) } }).message).toHaveLength(4000);
    expect(read(`${'x'.repeat(499)}🌦`).message).toBe('x'.repeat(499));
  });

  it('reads a hostile page in no time', () => {
    const started = performance.now();
    for (const part of ['<script', '<style>', '<script><', '<title', '<h1>', '&amp', '{"error":', '<!--']) read(`<html>${part.repeat(1_000_000)}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('never throws and always has a message', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.string(), fc.jsonValue().map((error) => ({ error }))), (body) => {
        expect(read(body as unknown).message).not.toBe('');
      }),
    );
  });
});

describe('the request id', () => {
  const cases: [string, unknown, string | undefined][] = [
    ['top', { request_id: 'req_a' }, 'req_a'],
    ['top, camel case', { requestId: 'req_a' }, 'req_a'],
    ['in error', { error: { request_id: 'req_a', message: 'm' } }, 'req_a'],
    ['in what the error wraps', { error: { message: 'm', upstream_error: { request_id: 'req_a' } } }, 'req_a'],
    ['in what it wraps as text', { error: { message: 'm', upstream_error: JSON.stringify({ error: { requestId: 'req_a' } }) } }, 'req_a'],
    ['in JSON in the message', { error: { message: JSON.stringify({ message: 'm', request_id: 'req_a' }) } }, 'req_a'],
    ['in the text', { error: { message: 'failed (request id: 2025-req_a.1)' } }, '2025-req_a.1'],
    ['in plain text', 'Internal error, request id: req_a', 'req_a'],
    ['nowhere', { error: { message: 'm' } }, undefined],
  ];

  it.each(cases)('%s', (_, body, expected) => {
    expect(read(body).requestId).toBe(expected);
    // What the body says comes before what the headers say.
    expect(read(body, 500, { 'x-request-id': 'h' }).requestId).toBe(expected ?? 'h');
  });

  it('comes from the headers in this order', () => {
    const headers = { 'x-request-id': 'a', 'request-id': 'b', 'x-amzn-requestid': 'c' };
    expect(read({}, 500, headers).requestId).toBe('a');
    expect(read({}, 500, { ...headers, 'x-request-id': '' }).requestId).toBe('b');
    expect(read({}, 500, { 'x-amzn-requestid': 'c' }).requestId).toBe('c');
  });
});

describe('an error inside a 200', () => {
  const cases: [string, Record<string, unknown>, string, Partial<UpstreamError> | undefined][] = [
    ['Anthropic event', { type: 'error', error: { type: 'overloaded_error', message: 'm' } }, 'error', { status: 529, type: 'overloaded_error', message: 'm' }],
    ['Anthropic event without its name', { type: 'error', error: { type: 'rate_limit_error', message: 'm' } }, '', { status: 429 }],
    ['an event named error', { message: 'm' }, 'error', { status: 500, message: 'm' }],
    ['Chat', { error: { message: 'm', type: 'server_error', code: null } }, '', { status: 500, type: 'server_error' }],
    ['Chat with a status as code', { error: { message: 'm', code: 502 } }, '', { status: 502, code: 502 }],
    ['Chat with a status as text', { error: { message: 'm', code: '429' } }, '', { status: 429 }],
    ['error as a text', { error: 'nope' }, '', { status: 500, message: 'nope' }],
    ['vLLM', { object: 'error', message: 'm', type: 'BadRequestError', code: 400 }, '', { status: 400, message: 'm' }],
    ['Responses error event', { type: 'error', code: 'rate_limit_exceeded', message: 'm', param: null }, 'error', { status: 429, code: 'rate_limit_exceeded', message: 'm' }],
    [
      'Responses failed',
      { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'm' } } },
      'response.failed',
      { status: 500, code: 'server_error', message: 'm' },
    ],
    ['Responses failed as JSON', { object: 'response', status: 'failed', error: { code: 'invalid_prompt', message: 'm' } }, '', { status: 400 }],
    ['Gemini', { error: { code: 503, message: 'm', status: 'UNAVAILABLE' } }, '', { status: 503, type: 'UNAVAILABLE' }],
    ['Gemini without a number', { error: { message: 'm', status: 'RESOURCE_EXHAUSTED' } }, '', { status: 429 }],
    ['a relay', { code: 401, msg: 'no', data: null }, '', { status: 401, message: 'no' }],
    ['a relay without success', { success: false, message: 'no' }, '', { status: 500, message: 'no' }],
    ['no reason given', { type: 'error' }, 'error', { status: 500, message: 'unspecified upstream error' }],
    ['error null', { id: 'x', choices: [], error: null }, '', undefined],
    ['an error that says nothing', { choices: [], error: { message: '', type: '', code: null } }, '', undefined],
    ['an empty error', { choices: [], error: {} }, '', undefined],
    ['a running response', { type: 'response.created', response: { status: 'in_progress', error: null } }, 'response.created', undefined],
    ['a relay that is content', { code: 0, message: 'ok', data: {} }, '', undefined],
    ['an answer beside a message', { code: 500, message: 'x', choices: [{}] }, '', undefined],
  ];

  it.each(cases)('%s', (_, payload, name, expected) => {
    const error = errorInPayload(payload, name);
    if (expected === undefined) expect(error).toBeUndefined();
    else expect(error).toMatchObject(expected);
  });

  it('carries the request id', () => {
    expect(errorInPayload({ type: 'error', error: { message: 'm' }, request_id: 'req_1' }, 'error')?.requestId).toBe('req_1');
  });
});

describe('as one line', () => {
  it('names the type once', () => {
    expect(upstreamErrorText({ status: 500, type: 'api_error', message: 'm' })).toBe('api_error: m');
    expect(upstreamErrorText({ status: 500, type: 'api_error', message: 'api_error: m' })).toBe('api_error: m');
    expect(upstreamErrorText({ status: 500, message: 'm' })).toBe('m');
  });
});
