import { describe, expect, it } from 'vitest';
import { dialects } from '../src/index.ts';
import type { Dialect } from '../src/index.ts';
import { cases } from './cases/index.ts';
import { at, chatStream, geminiStream, messageStream, messageText, request, stream, user, whole } from './converting.ts';

/** Faults of v0.3.42's converters, each of which must not be here. */

const pairs = dialects.flatMap((a) => dialects.filter((b) => b !== a).map((b) => [a, b] as const));

const shapes: Record<Dialect, string> = { anthropic: 'content', 'openai-chat': 'choices', 'openai-responses': 'output', gemini: 'candidates' };

describe('v0.3.42', () => {
  it.each(pairs)('answers of %s for %s were converted in the wrong direction', (upstream, client) => {
    expect(whole(upstream, client, cases[upstream].text.answer)).toHaveProperty(shapes[client]);
    expect(stream(upstream, client, cases[upstream].text.frames).text).toContain('The capital of ');
  });

  it('several events in one chunk, or one in several, were lost', () => {
    const { payloads } = stream('openai-chat', 'anthropic', chatStream([{ content: 'a' }, { content: 'b' }, { content: 'c' }]));
    expect(payloads.filter((payload) => payload.type === 'content_block_delta')).toHaveLength(3);
  });

  it.each(['openai-chat', 'openai-responses', 'gemini'] as const)('text after a tool block was dropped (%s)', (to) => {
    const content = [{ type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }, { type: 'text', text: 'after the call' }];
    const result = [{ type: 'tool_result', tool_use_id: 't', content: 'ok' }, { type: 'text', text: 'after the result' }];
    const { body } = request('anthropic', to, user('x', { messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content }, { role: 'user', content: result }] }));
    expect(JSON.stringify(body)).toMatch(/after the call.*after the result/);
  });

  it('arguments of calls were objects in Responses, and an override text was slipped in', () => {
    const content = [{ type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }];
    const { body } = request('anthropic', 'openai-responses', user('x', { system: 'Be good.', messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content }] }));
    expect(body.instructions).toBe('Be good.');
    expect(body.input).toMatchObject([{ role: 'user', content: [{ text: 'x' }] }, { type: 'function_call', arguments: '{"a":1}' }, { type: 'function_call_output' }]);
  });

  it('several calls of one message became several messages', () => {
    const content = ['t', 'u'].map((id) => ({ type: 'tool_use', id, name: 'f', input: {} }));
    const { body } = request('anthropic', 'openai-chat', user('x', { messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content }] }));
    expect(at(body, 'messages.1.tool_calls')).toHaveLength(2);
  });

  it('instructions became words of the user, and results of calls plain text', () => {
    const input = [{ role: 'user', content: 'x' }, { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }, { type: 'function_call_output', call_id: 'c', output: 'ok' }];
    const { body } = request('openai-responses', 'anthropic', { model: 'm', instructions: 'Be good.', input });
    expect(at(body, 'system.0.text')).toBe('Be good.');
    expect(at(body, 'messages.2.content.0')).toMatchObject({ type: 'tool_result', tool_use_id: 'c', content: 'ok' });
  });

  it.each(['anthropic', 'openai-responses'] as const)('the words beside calls of a Chat assistant were dropped (%s)', (to) => {
    const messages = [{ role: 'user', content: 'x' }, { role: 'assistant', content: 'I will look.', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] }];
    expect(JSON.stringify(request('openai-chat', to, { model: 'm', messages }).body)).toContain('I will look.');
  });

  it('system messages with content in parts, stop and efforts were ignored', () => {
    const messages = [{ role: 'system', content: [{ type: 'text', text: 'Be good.' }] }, { role: 'user', content: 'x' }];
    const { body } = request('openai-chat', 'anthropic', { model: 'm', messages, stop: ['!'], max_completion_tokens: 9000, reasoning_effort: 'low' }, { targetModel: 'claude-sonnet-4-5' });
    expect(body).toMatchObject({ system: [{ text: 'Be good.' }], stop_sequences: ['!'], max_tokens: 9000, thinking: { budget_tokens: 4096 } });
  });

  it.each(['anthropic', 'openai-chat'] as const)('Gemini results never met their calls, and images and limits were lost (%s)', (to) => {
    const call = (city: string): object => ({ functionCall: { name: 'f', args: { city } } });
    const answer = (output: string): object => ({ functionResponse: { name: 'f', response: { output } } });
    const contents = [
      { role: 'user', parts: [{ text: 'x' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      { role: 'model', parts: [call('Paris'), call('Rome')] },
      { role: 'user', parts: [answer('first'), answer('second'), { text: 'beside' }] },
    ];
    const text = JSON.stringify(request('gemini', to, { contents, generationConfig: { maxOutputTokens: 77 } }).body);
    expect(text).toMatch(/call_1_f.*call_2_f.*call_1_f.*first.*call_2_f.*second.*beside/);
    expect(text).toContain('AAAA');
    expect(text).toContain('77');
  });

  it('a plain Responses object was returned unchanged, incomplete and failed were ignored, cache tokens lost', () => {
    const body = { id: 'resp_1', status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [{ type: 'message', content: [{ type: 'output_text', text: 'a' }, { type: 'output_text', text: 'b' }] }], usage: { input_tokens: 10, input_tokens_details: { cached_tokens: 4 }, output_tokens: 1 } };
    expect(whole('openai-responses', 'anthropic', body)).toMatchObject({ content: [{ text: 'a' }, { text: 'b' }], stop_reason: 'max_tokens', usage: { input_tokens: 6, cache_read_input_tokens: 4 } });
    expect(() => whole('openai-responses', 'anthropic', { ...body, status: 'failed', error: { code: 'server_error', message: 'boom' } })).toThrow('boom');
  });

  it('tool calls of a Chat stream began above index 0, with usage from the last event only', () => {
    const call = [{ type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } }, { type: 'content_block_stop', index: 1 }];
    const { payloads } = stream('anthropic', 'openai-chat', messageStream([...messageText('x'), ...call], { start: { input_tokens: 50, output_tokens: 1 }, end: { output_tokens: 9 } }, 'tool_use'));
    expect(payloads.map((payload) => at(payload, 'choices.0.delta.tool_calls.0.index')).filter((index) => index !== undefined)).toEqual([0, 0]);
    expect(payloads.at(-1)?.usage).toMatchObject({ prompt_tokens: 50, completion_tokens: 9 });
  });

  it('Responses streams had no sequence numbers, item ids, or output', () => {
    const { payloads, problems } = stream('anthropic', 'openai-responses', messageStream(messageText('x')));
    expect(problems).toEqual([]);
    expect(payloads.map((payload) => payload.sequence_number)).toEqual(payloads.map((_, index) => index));
    expect(at(payloads.at(-1), 'response.output.0.content.0.text')).toBe('x');
  });

  it('calls, images and thoughts of Gemini were lost for Chat clients, and there was no [DONE]', () => {
    const { payloads, text } = stream('gemini', 'openai-chat', geminiStream([[{ text: 'hm', thought: true }], [{ functionCall: { name: 'f', args: { a: 1 } } }], [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }]]));
    const deltas = payloads.map((payload) => at(payload, 'choices.0.delta') as Record<string, unknown> | undefined);
    expect(deltas.some((delta) => delta?.reasoning_content === 'hm')).toBe(true);
    expect(deltas.some((delta) => delta?.images !== undefined)).toBe(true);
    expect(deltas.some((delta) => at(delta, 'tool_calls.0.function.arguments') === '{"a":1}')).toBe(true);
    expect(text).toContain('[DONE]');
  });
});
