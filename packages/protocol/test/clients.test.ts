import { describe, expect, it } from 'vitest';
import { answerText, convertPath } from '../src/index.ts';
import { at, chatStream, geminiStream, messageStream, messageText, request, stream, user, whole } from './converting.ts';
import { namedFrames } from './cases/names.ts';

/** What the measured clients send and need, by the points of the study, as far as conversion is concerned. */

const functionTool = { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false };

function codes(converted: { drops: { code: string }[] }): string[] {
  return converted.drops.map((drop) => drop.code);
}

describe('what breaks gateways', () => {
  it('1 a converted body goes out under the version of the API that takes it', () => {
    expect(request('openai-chat', 'anthropic', user('x', { temperature: 0.3 })).headers).toEqual({ 'anthropic-version': '2023-06-01' });
    expect(request('anthropic', 'openai-chat', user('x')).headers).toEqual({});
  });

  it('2 Gemini models are asked under v1beta, streaming told by the path', () => {
    expect(convertPath('gemini', 'gemini-3-pro', true)).toBe('/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse');
    expect(convertPath('gemini', 'models/a b', false)).toBe('/v1beta/models/a%20b:generateContent');
    expect(convertPath('gemini', 'gemini-3-pro', false, true)).toBe('/v1internal:generateContent');
    expect(['anthropic', 'openai-chat', 'openai-responses'].map((to) => convertPath(to as 'anthropic', 'm', true))).toEqual(['/v1/messages', '/v1/chat/completions', '/v1/responses']);
  });

  it('4 Codex: tools among the input, of both kinds and in namespaces, calls and results of free text', () => {
    const tools = [{ type: 'namespace', name: 'functions', tools: [{ type: 'custom', name: 'exec', format: { type: 'grammar', syntax: 'lark', definition: 'start: /x/' } }] }, functionTool];
    const input = [
      { type: 'additional_tools', role: 'developer', tools },
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Prompt.' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Go.' }] },
      { type: 'custom_tool_call', call_id: 'c1', name: 'exec', namespace: 'functions', input: 'ls\n' },
      { type: 'custom_tool_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'a' }, { type: 'input_text', text: 'b' }] },
    ];
    const asked = request('openai-responses', 'anthropic', { model: 'gpt-6-sol', stream: true, input });
    expect(at(asked.body, 'system.0.text')).toBe('Prompt.');
    expect((asked.body.tools as { name: string }[]).map((tool) => tool.name)).toEqual(['exec', 'f']);
    expect(at(asked.body, 'tools.0.description')).toContain('start: /x/');
    expect(at(asked.body, 'messages.1.content.0')).toMatchObject({ type: 'tool_use', id: 'c1', name: 'exec', input: { input: 'ls\n' } });
    expect(at(asked.body, 'messages.2.content.0.content')).toHaveLength(2);
    const call = [
      { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'exec', input: {} } },
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"input":"ca' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: 't \\"a\\""}' } },
      { type: 'content_block_stop', index: 0 },
    ];
    const { payloads, problems } = stream('anthropic', 'openai-responses', messageStream(call, undefined, 'tool_use'), { toolNames: asked.toolNames });
    expect(problems).toEqual([]);
    expect(payloads.find((payload) => payload.type === 'response.output_item.done')?.item).toMatchObject({ type: 'custom_tool_call', name: 'exec', namespace: 'functions', call_id: 't', input: 'cat "a"' });
  });

  it('4 half a script is never shown as a whole one', () => {
    const asked = request('openai-responses', 'anthropic', { model: 'm', input: 'x', tools: [{ type: 'custom', name: 'exec' }] });
    const call = [
      { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'exec', input: {} } },
      { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"input":"rm -rf /tmp/x' } },
      { type: 'content_block_stop', index: 0 },
    ];
    const cut = stream('anthropic', 'openai-responses', messageStream(call, undefined, 'max_tokens'), { toolNames: asked.toolNames });
    expect(cut.text).not.toContain('rm -rf');
    expect(cut.payloads.at(-1)).toMatchObject({ type: 'response.incomplete', response: { incomplete_details: { reason: 'max_output_tokens' } } });
    const broken = stream('anthropic', 'openai-responses', messageStream(call, undefined, 'tool_use'), { toolNames: asked.toolNames });
    expect(broken.payloads.at(-1)).toMatchObject({ type: 'response.failed' });
    const dropped = stream('anthropic', 'openai-responses', namedFrames([{ type: 'message_start', message: {} }, ...call.slice(0, 2)] as { type: string }[]), { toolNames: asked.toolNames });
    expect(dropped.text).not.toContain('rm -rf');
    const body = { content: [{ type: 'tool_use', id: 't', name: 'exec', input: { other: 1 } }], stop_reason: 'tool_use' };
    expect(() => whole('anthropic', 'openai-responses', body, { toolNames: asked.toolNames })).toThrow(/cannot be read/);
  });

  it.each(['openai-chat', 'openai-responses', 'gemini'] as const)('5 the environment that Claude Code puts among the messages reaches %s', (to) => {
    const environment = { role: 'system', content: [{ type: 'text', text: 'Working directory: /w', cache_control: { type: 'ephemeral' } }], output_config: { effort: 'low' } };
    const converted = request('anthropic', to, user('x', { messages: [{ role: 'user', content: 'x' }, environment] }));
    expect(JSON.stringify(converted.body)).toContain('Working directory: /w');
    expect(codes(converted)).toContain('message-config');
    const first = request('anthropic', to, user('x', { messages: [environment, { role: 'user', content: 'x' }] }));
    expect(JSON.stringify(at(first.body, 'messages.0') ?? first.body.instructions ?? first.body.systemInstruction)).toContain('Working directory');
  });

  it('6 the session in metadata.user_id becomes the cache key, the device stays here', () => {
    const session = '0199f000-0000-7000-8000-000000000001';
    const asked = user([{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }], { metadata: { user_id: JSON.stringify({ device_id: 'd'.repeat(64), account_uuid: '', session_id: session }) } });
    const { body } = request('anthropic', 'openai-responses', asked);
    expect(body.prompt_cache_key).toBe(session);
    expect(JSON.stringify(body)).not.toContain('dddd');
  });

  it('8 an error inside a stream is passed on, whatever was sent before', () => {
    const frames = 'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\ndata: {"error":{"message":"boom","type":"server_error"}}\n\n';
    const { payloads, converter } = stream('openai-chat', 'anthropic', frames);
    expect(payloads.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error', message: 'boom' } });
    expect(converter.finished).toBe(false);
  });

  it('11 Gemini clients see 503, which they repeat, and not 529, which they do not', () => {
    const frames = namedFrames([{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }] as { type: string; [field: string]: unknown }[]);
    expect(stream('anthropic', 'gemini', frames).payloads.at(-1)).toEqual({ error: { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' } });
  });

  it('12 line separators are escaped for Gemini clients', () => {
    const { text, payloads } = stream('openai-chat', 'gemini', chatStream([{ content: 'a\u2028b\u2029c' }]));
    expect(text).not.toMatch(/[\u2028\u2029]/);
    expect(at(payloads[0], 'candidates.0.content.parts.0.text')).toBe('a\u2028b\u2029c');
    const answer = whole('openai-chat', 'gemini', { choices: [{ message: { content: 'a\u2028b' }, finish_reason: 'stop' }] });
    expect(answerText('gemini', answer)).toContain('a\\u2028b');
    expect(JSON.parse(answerText('gemini', answer))).toEqual(answer);
  });

  it('13 an empty list of tools takes tool_choice and parallel_tool_calls with it', () => {
    const { body } = request('openai-responses', 'openai-chat', { model: 'm', input: 'x', tools: [], tool_choice: 'auto', parallel_tool_calls: false });
    expect(Object.keys(body).sort()).toEqual(['messages', 'model']);
  });
});

describe('Claude Code', () => {
  it('the billing header, which differs per prompt, is left out', () => {
    const { body, drops } = request('anthropic', 'openai-chat', user('x', { system: [{ type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.0a7;' }, { type: 'text', text: 'You are.' }] }));
    expect(at(body, 'messages.0.content')).toBe('You are.');
    expect(drops[0]?.code).toBe('billing-header');
  });

  it('deferred tools are sent once they have been found, all of them where the upstream would have searched', () => {
    const tools = [{ name: 'ToolSearch', input_schema: {} }, { name: 'a', input_schema: {}, defer_loading: true }, { name: 'b', input_schema: {}, defer_loading: true }];
    const found = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'tool_reference', tool_name: 'a' }] }] };
    const messages = [{ role: 'user', content: 'x' }, { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'ToolSearch', input: {} }] }, found];
    const names = (body: Record<string, unknown>): unknown[] => (body.tools as { name: string }[]).map((tool) => tool.name);
    expect(names(request('anthropic', 'openai-responses', user('x', { tools })).body)).toEqual(['ToolSearch']);
    expect(names(request('anthropic', 'openai-responses', user('x', { tools, messages })).body)).toEqual(['ToolSearch', 'a']);
    const searched = [...tools, { type: 'tool_search_tool_regex_20251119', name: 'tool_search_tool_regex' }];
    expect(names(request('anthropic', 'openai-responses', user('x', { tools: searched })).body)).toEqual(['ToolSearch', 'a', 'b']);
  });

  it('its web search gets the pair of blocks that it reads the links from', () => {
    const item = { type: 'web_search_call', id: 'ws_1', action: { type: 'search', query: 'q', sources: [{ type: 'url', url: 'https://example.com' }] } };
    const answer = whole('openai-responses', 'anthropic', { status: 'completed', output: [item] });
    expect(answer.content).toMatchObject([{ type: 'server_tool_use', name: 'web_search', input: { query: 'q' } }, { type: 'web_search_tool_result', content: [{ url: 'https://example.com' }] }]);
    const asked = request('anthropic', 'openai-responses', user('x', { tools: [{ type: 'web_search_20250305', name: 'web_search', allowed_domains: ['example.com'] }] }));
    expect(at(asked.body, 'tools.0')).toEqual({ type: 'web_search', filters: { allowed_domains: ['example.com'] } });
    expect(asked.body.include).toContain('web_search_call.action.sources');
  });
});

describe('Gemini CLI', () => {
  it('gets its answers in the envelope that it asks in', () => {
    const asked = request('gemini', 'openai-chat', { model: 'gemini-2.5-pro', project: 'p', request: { contents: [{ role: 'user', parts: [{ text: 'x' }] }] } }, { streaming: true });
    expect(asked.wrapped).toBe(true);
    expect(asked.streaming).toBe(true);
    const { payloads } = stream('openai-chat', 'gemini', chatStream([{ content: 'hi' }]), { wrapped: asked.wrapped });
    expect(at(payloads[0], 'response.candidates.0.content.parts.0.text')).toBe('hi');
  });

  it('an upstream of that kind is asked in the envelope and read out of it', () => {
    const { body } = request('anthropic', 'gemini', user('x'), { envelope: true, targetModel: 'gemini-2.5-pro' });
    expect(Object.keys(body)).toEqual(['model', 'request']);
    const frames = geminiStream([[{ text: 'hi' }]]).replace(/^data: (.*)$/gm, 'data: {"response":$1}');
    expect(stream('gemini', 'anthropic', frames).payloads.map((payload) => payload.type)).toContain('message_stop');
  });

  it('pairs results with calls by id where there are ids, whatever their order', () => {
    const call = (id: string): object => ({ functionCall: { id, name: 'f', args: {} } });
    const answer = (id: string): object => ({ functionResponse: { id, name: 'f', response: { output: `of ${id}` } } });
    const contents = [{ role: 'user', parts: [{ text: 'x' }] }, { role: 'model', parts: [call('a'), call('b')] }, { role: 'user', parts: [answer('b'), answer('a')] }];
    expect(at(request('gemini', 'anthropic', { contents }).body, 'messages.2.content')).toMatchObject([{ tool_use_id: 'a', content: 'of a' }, { tool_use_id: 'b', content: 'of b' }]);
  });

  it('keeps reasoning of an Anthropic upstream on the call it led to', () => {
    const thinking = [
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } },
      { type: 'content_block_stop', index: 1 },
    ];
    const { payloads } = stream('anthropic', 'gemini', messageStream(thinking, undefined, 'tool_use'));
    const part = payloads.map((payload) => at(payload, 'candidates.0.content.parts.0') as { functionCall?: object }).find((candidate) => candidate.functionCall !== undefined);
    const contents = [{ role: 'user', parts: [{ text: 'x' }] }, { role: 'model', parts: [part] }, { role: 'user', parts: [{ functionResponse: { id: 't', name: 'f', response: { output: 'ok' } } }] }];
    const { body } = request('gemini', 'anthropic', { contents }, { sameProvider: true });
    expect(at(body, 'messages.1.content')).toEqual([{ type: 'thinking', thinking: 'hm', signature: 'c2ln' }, { type: 'tool_use', id: 't', name: 'f', input: {} }]);
  });
});

describe('faults of other converters', () => {
  const usage = { prompt_tokens: 20, completion_tokens: 3, total_tokens: 23, prompt_tokens_details: { cached_tokens: 15 } };

  it('usage in streams is not 0', () => {
    const { payloads } = stream('openai-chat', 'anthropic', chatStream([{ content: 'x' }], 'stop', usage));
    expect(at(payloads.at(-2), 'usage')).toMatchObject({ input_tokens: 5, cache_read_input_tokens: 15, output_tokens: 3 });
  });

  it('max_tokens reaches Gemini', () => {
    expect(request('anthropic', 'gemini', user('x')).body.generationConfig).toEqual({ maxOutputTokens: 4000 });
  });

  it('a call ends with tool_use and a cut answer with max_tokens', () => {
    const call = geminiStream([[{ functionCall: { name: 'f', args: {} } }]]);
    expect(at(stream('gemini', 'anthropic', call).payloads.at(-2), 'delta.stop_reason')).toBe('tool_use');
    expect(at(stream('gemini', 'anthropic', geminiStream([[{ text: 'x' }]], 'MAX_TOKENS')).payloads.at(-2), 'delta.stop_reason')).toBe('max_tokens');
  });

  it('OpenAI gets no `reasoning` object, and models that do not reason get no effort', () => {
    const thinking = user('x', { thinking: { type: 'enabled', budget_tokens: 2000 } });
    expect(Object.keys(request('anthropic', 'openai-chat', thinking, { targetModel: 'gpt-4o' }).body)).not.toContain('reasoning_effort');
    const { body } = request('anthropic', 'openai-chat', thinking, { targetModel: 'gpt-5' });
    expect(body).toMatchObject({ reasoning_effort: 'low' });
    expect(body).not.toHaveProperty('reasoning');
  });

  it('prompt_tokens includes what came from the cache', () => {
    const { payloads } = stream('anthropic', 'openai-chat', messageStream(messageText('x'), { start: { input_tokens: 5, cache_read_input_tokens: 15, output_tokens: 1 }, end: { output_tokens: 3 } }));
    expect(payloads.at(-1)?.usage).toMatchObject(usage);
  });

  it('results of parallel calls are one turn of the user', () => {
    const calls = ['a', 'b'].map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } }));
    const messages = [{ role: 'user', content: 'x' }, { role: 'assistant', tool_calls: calls }, { role: 'tool', tool_call_id: 'a', content: '1' }, { role: 'tool', tool_call_id: 'b', content: '2' }];
    const { body } = request('openai-chat', 'anthropic', { model: 'm', messages });
    expect((body.messages as { role: string; content: unknown[] }[]).map(({ role, content }) => [role, content.length])).toEqual([['user', 1], ['assistant', 2], ['user', 2]]);
  });

  it('Anthropic always gets max_tokens', () => {
    expect(request('openai-chat', 'anthropic', { model: 'm', messages: [{ role: 'user', content: 'x' }] }).body.max_tokens).toBe(32_000);
  });

  it('Gemini gets no lists of types', () => {
    const schema = { type: 'object', properties: { a: { type: ['string', 'null'] } }, additionalProperties: false, $schema: 'x' };
    const { body } = request('openai-chat', 'gemini', { model: 'm', messages: [{ role: 'user', content: 'x' }], tools: [{ type: 'function', function: { name: 'f', parameters: schema } }] });
    expect(at(body, 'tools.0.functionDeclarations.0.parameters')).toEqual({ type: 'object', properties: { a: { type: 'string', nullable: true } } });
  });

  it('the stream names the role once and ends in [DONE]', () => {
    const { text } = stream('anthropic', 'openai-chat', messageStream(messageText('x')));
    expect(text.match(/"role"/g)).toHaveLength(1);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});
