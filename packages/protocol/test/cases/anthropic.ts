import { namedFrames, pixel, unicodeText, weatherSchema } from './names.ts';
import type { DialectCases } from './names.ts';

const model = 'claude-sonnet-4-5-20250929';
const weatherTool = { name: 'get_weather', description: 'Current weather of a city', input_schema: weatherSchema };
const usage = {
  input_tokens: 20,
  cache_creation_input_tokens: 30,
  cache_read_input_tokens: 100,
  cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
  output_tokens: 12,
};

function asked(content: unknown, more: object = {}): unknown {
  return { model, max_tokens: 1024, stream: true, messages: [{ role: 'user', content }], ...more };
}

function message(content: unknown[], stop: string, stopSequence: string | null = null): unknown {
  return { id: 'msg_01', type: 'message', role: 'assistant', model, content, stop_reason: stop, stop_sequence: stopSequence, usage };
}

const start = {
  type: 'message_start',
  message: { id: 'msg_01', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } },
};

function block(index: number, content: object, deltas: readonly object[]): { type: string }[] {
  return [
    { type: 'content_block_start', index, content_block: content } as { type: string },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index } as { type: string },
  ];
}

function text(index: number, ...pieces: string[]): { type: string }[] {
  return block(index, { type: 'text', text: '' }, pieces.map((piece) => ({ type: 'text_delta', text: piece })));
}

function tool(index: number, id: string, ...pieces: string[]): { type: string }[] {
  const deltas = pieces.map((piece) => ({ type: 'input_json_delta', partial_json: piece }));
  return block(index, { type: 'tool_use', id, name: 'get_weather', input: {} }, deltas);
}

function ended(stop: string, stopSequence: string | null = null): { type: string }[] {
  return [
    { type: 'message_delta', delta: { stop_reason: stop, stop_sequence: stopSequence }, usage: { output_tokens: 12 } } as { type: string },
    { type: 'message_stop' },
  ];
}

const ping = { type: 'ping' };

export const anthropicCases: DialectCases = {
  text: {
    request: asked('What is the capital of France?', {
      system: [{ type: 'text', text: 'Answer in one sentence.', cache_control: { type: 'ephemeral' } }],
      temperature: 0.7,
      top_k: 40,
      metadata: { user_id: '{"device_id":"00ff","account_uuid":"","session_id":"0199f000-0000-7000-8000-000000000001"}' },
    }),
    answer: message([{ type: 'text', text: 'The capital of France is Paris.' }], 'end_turn'),
    frames: namedFrames([start, ping, ...text(0, 'The capital of ', 'France is Paris.'), ...ended('end_turn')]),
  },
  image: {
    request: asked([
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
      { type: 'image', source: { type: 'url', url: 'https://example.com/cat.png' } },
      { type: 'text', text: 'What is in these images?' },
    ]),
    answer: message([{ type: 'text', text: 'A red pixel and a cat.' }], 'end_turn'),
    frames: namedFrames([start, ...text(0, 'A red pixel', ' and a cat.'), ...ended('end_turn')]),
  },
  'one-tool': {
    request: asked('Weather in Paris?', { tools: [weatherTool], tool_choice: { type: 'any', disable_parallel_tool_use: true } }),
    answer: message(
      [
        { type: 'text', text: 'I will look.' },
        { type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: { city: 'Paris, FR', days: [1, 2] } },
      ],
      'tool_use',
    ),
    frames: namedFrames([start, ...text(0, 'I will look.'), ...tool(1, 'toolu_01', '', '{"city": "Paris,', ' FR", "days": [1, 2]}'), ...ended('tool_use')]),
  },
  'parallel-tools': {
    request: asked('Weather in Paris and Rome?', { tools: [weatherTool, { name: 'now', input_schema: { type: 'object', properties: {} } }] }),
    answer: message(
      [
        { type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: { city: 'Paris' } },
        { type: 'tool_use', id: 'toolu_02', name: 'get_weather', input: { city: 'Rome' } },
        { type: 'tool_use', id: 'toolu_03', name: 'now', input: {} },
      ],
      'tool_use',
    ),
    frames: namedFrames([
      start,
      ...tool(0, 'toolu_01', '{"city"', ': "Paris"}'),
      ...tool(1, 'toolu_02', '{"city": "Rome"}'),
      ...block(2, { type: 'tool_use', id: 'toolu_03', name: 'now', input: {} }, []),
      ...ended('tool_use'),
    ]),
  },
  'tool-result': {
    request: {
      model,
      max_tokens: 1024,
      stream: true,
      tools: [weatherTool],
      messages: [
        { role: 'user', content: 'Weather in Paris and Rome?' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I will look.' },
            { type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: { city: 'Paris' } },
            { type: 'tool_use', id: 'toolu_02', name: 'get_weather', input: { city: 'Rome' } },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'toolu_01',
              content: [
                { type: 'text', text: 'Sunny, 21 °C' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
              ],
            },
            { type: 'tool_result', tool_use_id: 'toolu_02', content: 'no such city', is_error: true },
            { type: 'text', text: 'Go on.' },
          ],
        },
      ],
    },
    answer: message([{ type: 'text', text: 'Paris is sunny; Rome was not found.' }], 'end_turn'),
    frames: namedFrames([start, ...text(0, 'Paris is sunny; ', 'Rome was not found.'), ...ended('end_turn')]),
  },
  thinking: {
    request: {
      model,
      max_tokens: 32_000,
      stream: true,
      thinking: { type: 'enabled', budget_tokens: 8000 },
      messages: [
        { role: 'user', content: 'What is 17 × 23?' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: '17 × 20 + 17 × 3', signature: 'c2lnbmF0dXJl' },
            { type: 'redacted_thinking', data: 'aGlkZGVu' },
            { type: 'text', text: '391' },
          ],
        },
        { role: 'user', content: 'And 18 × 23?' },
      ],
    },
    answer: message(
      [
        { type: 'thinking', thinking: '391 + 23', signature: 'c2lnLTE=' },
        { type: 'text', text: '414' },
      ],
      'end_turn',
    ),
    frames: namedFrames([
      start,
      ...block(0, { type: 'thinking', thinking: '', signature: '' }, [
        { type: 'thinking_delta', thinking: '391 ' },
        { type: 'thinking_delta', thinking: '+ 23' },
        { type: 'signature_delta', signature: 'c2lnLTE=' },
      ]),
      ...text(1, '414'),
      ...ended('end_turn'),
    ]),
  },
  'stop-reason': {
    request: asked('Count to five.', { stop_sequences: ['4', '   '] }),
    answer: message([{ type: 'text', text: '1 2 3 ' }], 'stop_sequence', '4'),
    frames: namedFrames([start, ...text(0, '1 2 ', '3 '), ...ended('stop_sequence', '4')]),
  },
  'max-tokens': {
    request: asked('Tell a long story.', { max_tokens: 12 }),
    answer: message([{ type: 'text', text: 'Once upon a' }], 'max_tokens'),
    frames: namedFrames([start, ...text(0, 'Once upon', ' a'), ...ended('max_tokens')]),
  },
  'error-mid-stream': {
    request: asked('Hello'),
    answer: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    frames: namedFrames([
      start,
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as { type: string },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hel' } } as { type: string },
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } } as { type: string },
    ]),
  },
  empty: {
    request: asked('Say nothing.'),
    answer: message([], 'end_turn'),
    frames: namedFrames([start, ...ended('end_turn')]),
  },
  unicode: {
    request: asked(unicodeText, { tools: [weatherTool] }),
    answer: message(
      [
        { type: 'text', text: unicodeText },
        { type: 'tool_use', id: 'toolu_01', name: 'get_weather', input: { city: 'São Paulo 🌧 \u2028' } },
      ],
      'tool_use',
    ),
    frames: namedFrames([start, ...text(0, ...unicodeText.split(/(?<= )/)), ...tool(1, 'toolu_01', '{"city": "São Pau', 'lo 🌧 \\u2028"}'), ...ended('tool_use')]),
  },
};
