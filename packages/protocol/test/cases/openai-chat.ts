import { dataFrames, pixel, unicodeText, weatherSchema } from './names.ts';
import type { DialectCases } from './names.ts';

const model = 'gpt-4.1';
const weatherTool = { type: 'function', function: { name: 'get_weather', description: 'Current weather of a city', parameters: weatherSchema } };
const usage = {
  prompt_tokens: 150,
  completion_tokens: 12,
  total_tokens: 162,
  prompt_tokens_details: { cached_tokens: 100 },
  completion_tokens_details: { reasoning_tokens: 0 },
};

function asked(content: unknown, more: object = {}): unknown {
  return { model, stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content }], ...more };
}

function completion(message: object, finish: string, from = model): unknown {
  return {
    id: 'chatcmpl-01',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: from,
    choices: [{ index: 0, message: { role: 'assistant', refusal: null, ...message }, logprobs: null, finish_reason: finish }],
    usage,
  };
}

function chunk(delta: object, finish: string | null = null): object {
  return { id: 'chatcmpl-01', object: 'chat.completion.chunk', created: 1_700_000_000, model, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] };
}

function streamed(deltas: readonly object[], finish: string): string {
  const last = { ...chunk({}), choices: [], usage };
  return dataFrames([chunk({ role: 'assistant', content: '' }), ...deltas.map((delta) => chunk(delta)), chunk({}, finish), last, '[DONE]']);
}

function texts(...pieces: string[]): object[] {
  return pieces.map((content) => ({ content }));
}

function call(id: string, city: string): object {
  return { id, type: 'function', function: { name: 'get_weather', arguments: JSON.stringify({ city }) } };
}

function callDeltas(index: number, id: string, ...pieces: string[]): object[] {
  return [
    { tool_calls: [{ index, id, type: 'function', function: { name: 'get_weather', arguments: '' } }] },
    ...pieces.map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ];
}

export const openAiChatCases: DialectCases = {
  text: {
    request: {
      model,
      stream: true,
      messages: [
        { role: 'system', content: 'Answer in one sentence.' },
        { role: 'user', content: 'What is the capital of France?' },
      ],
      max_completion_tokens: 256,
      temperature: 1.4,
      presence_penalty: 0.5,
      prompt_cache_key: 'session-1',
      user: 'user-1',
    },
    answer: completion({ content: 'The capital of France is Paris.' }, 'stop'),
    frames: streamed(texts('The capital of ', 'France is Paris.'), 'stop'),
  },
  image: {
    request: asked([
      { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}`, detail: 'high' } },
      { type: 'image_url', image_url: { url: 'https://example.com/cat.png' } },
      { type: 'text', text: 'What is in these images?' },
    ]),
    answer: completion({ content: 'A red pixel and a cat.' }, 'stop'),
    frames: streamed(texts('A red pixel', ' and a cat.'), 'stop'),
  },
  'one-tool': {
    request: asked('Weather in Paris?', { tools: [weatherTool], tool_choice: { type: 'function', function: { name: 'get_weather' } }, parallel_tool_calls: false }),
    answer: completion({ content: 'I will look.', tool_calls: [call('call_01', 'Paris, FR')] }, 'tool_calls'),
    frames: streamed([...texts('I will look.'), ...callDeltas(0, 'call_01', '{"city":"Paris,', ' FR"}')], 'tool_calls'),
  },
  'parallel-tools': {
    request: asked('Weather in Paris and Rome?', { tools: [weatherTool], tool_choice: 'required' }),
    answer: completion({ content: null, tool_calls: [call('call_01', 'Paris'), call('call_02', 'Rome')] }, 'tool_calls'),
    frames: streamed([...callDeltas(0, 'call_01', '{"city":', '"Paris"}'), ...callDeltas(1, 'call_02', '{"city":"Rome"}')], 'tool_calls'),
  },
  'tool-result': {
    request: {
      model,
      stream: true,
      tools: [weatherTool],
      messages: [
        { role: 'user', content: 'Weather in Paris and Rome?' },
        { role: 'assistant', content: 'I will look.', tool_calls: [call('call_01', 'Paris'), call('call_02', 'Rome')] },
        { role: 'tool', tool_call_id: 'call_02', content: [{ type: 'text', text: 'no such city' }] },
        { role: 'tool', tool_call_id: 'call_01', content: 'Sunny, 21 °C' },
        { role: 'user', content: 'Go on.' },
      ],
    },
    answer: completion({ content: 'Paris is sunny; Rome was not found.' }, 'stop'),
    frames: streamed(texts('Paris is sunny; ', 'Rome was not found.'), 'stop'),
  },
  thinking: {
    request: {
      model,
      stream: true,
      reasoning_effort: 'high',
      max_completion_tokens: 16_000,
      messages: [
        { role: 'user', content: 'What is 17 × 23?' },
        { role: 'assistant', content: '391', reasoning_content: '17 × 20 + 17 × 3' },
        { role: 'user', content: 'And 18 × 23?' },
      ],
    },
    answer: completion({ content: '414', reasoning_content: '391 + 23' }, 'stop', 'deepseek-reasoner'),
    frames: streamed([{ reasoning_content: '391 ' }, { reasoning_content: '+ 23' }, ...texts('414')], 'stop'),
    targetModel: 'deepseek-reasoner',
  },
  'stop-reason': {
    request: asked('Count to five.', { stop: ['4', '5', '6', '7'] }),
    answer: completion({ content: '1 2 3 ' }, 'stop'),
    frames: streamed(texts('1 2 ', '3 '), 'stop'),
  },
  'max-tokens': {
    request: asked('Tell a long story.', { max_tokens: 12 }),
    answer: completion({ content: 'Once upon a' }, 'length'),
    frames: streamed(texts('Once upon', ' a'), 'length'),
  },
  'error-mid-stream': {
    request: asked('Hello'),
    answer: { error: { message: 'The server had an error', type: 'server_error', param: null, code: null } },
    frames: dataFrames([chunk({ role: 'assistant', content: '' }), chunk({ content: 'Hel' }), { error: { message: 'The server had an error', type: 'server_error', param: null, code: null } }]),
  },
  empty: {
    request: asked('Say nothing.'),
    answer: completion({ content: '' }, 'stop'),
    frames: streamed([], 'stop'),
  },
  unicode: {
    request: asked(unicodeText, { tools: [weatherTool] }),
    answer: completion({ content: unicodeText, tool_calls: [call('call_01', 'São Paulo 🌧 \u2028')] }, 'tool_calls'),
    frames: streamed([...texts(...unicodeText.split(/(?<= )/)), ...callDeltas(0, 'call_01', '{"city":"São Pau', 'lo 🌧 \\u2028"}')], 'tool_calls'),
  },
};
