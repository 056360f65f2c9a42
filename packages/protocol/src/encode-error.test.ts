import { describe, expect, it } from 'vitest';
import { dialects, encodeError, encodeStreamError, SseDecoder } from './index.ts';
import type { Dialect, HubError } from './index.ts';

describe('the body of an error', () => {
  it.each([
    [400, 'invalid_request_error', 'invalid_request_error'],
    [401, 'authentication_error', 'authentication_error'],
    [402, 'payment_required_error', 'payment_required_error'],
    [403, 'permission_error', 'permission_error'],
    [404, 'not_found_error', 'not_found_error'],
    [413, 'api_error', 'http_413'],
    [429, 'rate_limit_error', 'rate_limit_error'],
    [499, 'api_error', 'http_499'],
    [500, 'internal_server_error', 'internal_server_error'],
    [502, 'bad_gateway_error', 'bad_gateway_error'],
    [503, 'service_unavailable_error', 'service_unavailable_error'],
    [504, 'gateway_timeout_error', 'gateway_timeout_error'],
    [529, 'api_error', 'http_529'],
  ])('%i is %s, code %s, in every dialect', (status, type, code) => {
    for (const dialect of dialects) expect(encodeError(dialect, { status, message: 'm' })).toMatchObject({ error: { message: 'm', type, code } });
  });

  it('is exactly the common shape for OpenAI', () => {
    expect(encodeError('openai-chat', { status: 401, message: 'm' })).toEqual({
      error: { message: 'm', type: 'authentication_error', code: 'authentication_error' },
    });
    expect(encodeError('openai-responses', { status: 418, type: 'api_error', message: 'm', requestId: 'r', details: { a: 1 } })).toEqual({
      error: { message: 'm', type: 'api_error', code: 'http_418', details: { a: 1 } },
      request_id: 'r',
    });
  });

  it('has what each dialect looks for', () => {
    expect(encodeError('anthropic', { status: 400, message: 'm' }).type).toBe('error');
    expect(encodeError('gemini', { status: 401, message: 'm' })).toEqual({
      error: { message: 'm', type: 'authentication_error', code: 'authentication_error', status: 'UNAUTHENTICATED' },
    });
  });

  it.each([
    [400, 'INVALID_ARGUMENT'],
    [402, 'RESOURCE_EXHAUSTED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [408, 'DEADLINE_EXCEEDED'],
    [413, 'INVALID_ARGUMENT'],
    [429, 'RESOURCE_EXHAUSTED'],
    [499, 'CANCELLED'],
    [500, 'INTERNAL'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
    [504, 'DEADLINE_EXCEEDED'],
    [529, 'UNAVAILABLE'],
  ])('Gemini: %i is %s', (status, name) => {
    expect(encodeError('gemini', { status, message: 'm' })).toMatchObject({ error: { status: name } });
  });

  it('takes type, code and further fields as given', () => {
    const error: HubError = {
      status: 429,
      type: 'rate_limit_error',
      code: 'rate_limit_exceeded',
      message: 'm',
      extra: { limit_type: 'rpm', current: 61, limit: 60 },
    };
    expect(encodeError('openai-chat', error)).toEqual({
      error: { message: 'm', type: 'rate_limit_error', code: 'rate_limit_exceeded', limit_type: 'rpm', current: 61, limit: 60 },
    });
    expect(encodeError('openai-chat', { status: 401, type: 'invalid_api_key', message: 'm' })).toMatchObject({
      error: { type: 'invalid_api_key', code: 'invalid_api_key' },
    });
  });
});

describe('the event that ends a stream', () => {
  function event(dialect: Dialect): { event: string; data: string; payload: unknown } {
    const failed = { responseId: 'resp_1', model: 'gpt-5', createdAt: 5, sequenceNumber: 9 };
    const events = new SseDecoder().push(encodeStreamError(dialect, { status: 502, message: 'cut', requestId: 'r' }, failed));
    expect(events).toHaveLength(1);
    const [first = { event: '', data: '' }] = events;
    return { ...first, payload: JSON.parse(first.data) as unknown };
  }

  it('Anthropic', () => {
    expect(event('anthropic')).toMatchObject({
      event: 'error',
      payload: { type: 'error', error: { type: 'bad_gateway_error', message: 'cut' }, request_id: 'r' },
    });
  });

  it('Chat', () => {
    expect(event('openai-chat')).toMatchObject({ event: '', payload: { error: { message: 'cut', type: 'bad_gateway_error' } } });
  });

  it('Responses', () => {
    expect(event('openai-responses')).toMatchObject({
      event: 'response.failed',
      payload: {
        type: 'response.failed',
        sequence_number: 9,
        response: { id: 'resp_1', model: 'gpt-5', status: 'failed', error: { code: 'server_error', message: 'cut' } },
      },
    });
    const codes = [400, 402, 408, 413, 429, 500, 503].map((status) => {
      const [first] = new SseDecoder().push(encodeStreamError('openai-responses', { status, message: 'm' }));
      return (JSON.parse(first?.data ?? '') as { response: { error: { code: string } } }).response.error.code;
    });
    expect(codes).toEqual(['invalid_prompt', 'rate_limit_exceeded', 'server_error', 'invalid_prompt', 'rate_limit_exceeded', 'server_error', 'server_error']);
  });

  it('Gemini', () => {
    expect(event('gemini')).toMatchObject({ event: '', payload: { error: { code: 502, message: 'cut', status: 'UNAVAILABLE' } } });
  });
});
