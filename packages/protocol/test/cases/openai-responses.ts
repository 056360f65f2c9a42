import { namedFrames, pixel, unicodeText, weatherSchema } from './names.ts';
import type { DialectCases } from './names.ts';

const model = 'gpt-5.1';
const weatherTool = { type: 'function', name: 'get_weather', description: 'Current weather of a city', parameters: weatherSchema, strict: false };
const usage = {
  input_tokens: 150,
  input_tokens_details: { cached_tokens: 100 },
  output_tokens: 12,
  output_tokens_details: { reasoning_tokens: 4 },
  total_tokens: 162,
};

type Item = Record<string, unknown> & { type: string };

function asked(content: unknown, more: object = {}): unknown {
  return { model, stream: true, store: false, input: [{ type: 'message', role: 'user', content }], ...more };
}

function said(text: string): Item {
  return { type: 'message', id: 'msg_01', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text, annotations: [], logprobs: [] }] };
}

function called(number: number, city: string): Item {
  return { type: 'function_call', id: `fc_0${number}`, call_id: `call_0${number}`, name: 'get_weather', arguments: JSON.stringify({ city }), status: 'completed' };
}

function response(output: readonly Item[], status = 'completed', incomplete: string | null = null): Record<string, unknown> {
  return {
    id: 'resp_01',
    object: 'response',
    created_at: 1_700_000_000,
    status,
    error: null,
    incomplete_details: incomplete === null ? null : { reason: incomplete },
    instructions: null,
    metadata: {},
    model,
    output,
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    usage: status === 'in_progress' ? null : usage,
  };
}

/** A whole stream around items, each with the pieces that it comes in. */
function streamed(items: readonly { item: Item; pieces: readonly string[] }[], terminal: Record<string, unknown>): string {
  let number = 0;
  const event = (type: string, fields: object): { type: string } => ({ type, sequence_number: number++, ...fields }) as { type: string };
  const events = [event('response.created', { response: response([], 'in_progress') }), event('response.in_progress', { response: response([], 'in_progress') })];
  for (const [index, { item, pieces }] of items.entries()) events.push(...itemEvents(item, index, pieces, event));
  events.push(event(`response.${String(terminal.status)}`, { response: terminal }));
  return namedFrames(events);
}

function itemEvents(item: Item, output_index: number, pieces: readonly string[], event: (type: string, fields: object) => { type: string }): { type: string }[] {
  const place = { item_id: item.id, output_index };
  const whole = pieces.join('');
  const start = (empty: object): { type: string } => event('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', ...empty } });
  const done = (): { type: string } => event('response.output_item.done', { output_index, item });
  if (item.type === 'function_call') {
    return [
      start({ arguments: '' }),
      ...pieces.map((delta) => event('response.function_call_arguments.delta', { ...place, delta })),
      event('response.function_call_arguments.done', { ...place, arguments: whole }),
      done(),
    ];
  }
  if (item.type === 'reasoning') {
    const part = { ...place, summary_index: 0 };
    return [
      event('response.output_item.added', { output_index, item: { type: 'reasoning', id: item.id, summary: [] } }),
      event('response.reasoning_summary_part.added', { ...part, part: { type: 'summary_text', text: '' } }),
      ...pieces.map((delta) => event('response.reasoning_summary_text.delta', { ...part, delta })),
      event('response.reasoning_summary_text.done', { ...part, text: whole }),
      event('response.reasoning_summary_part.done', { ...part, part: { type: 'summary_text', text: whole } }),
      done(),
    ];
  }
  const part = { ...place, content_index: 0 };
  const text = { type: 'output_text', text: whole, annotations: [], logprobs: [] };
  return [
    start({ content: [] }),
    event('response.content_part.added', { ...part, part: { ...text, text: '' } }),
    ...pieces.map((delta) => event('response.output_text.delta', { ...part, delta, logprobs: [] })),
    event('response.output_text.done', { ...part, text: whole, logprobs: [] }),
    event('response.content_part.done', { ...part, part: text }),
    done(),
  ];
}

function spoken(...pieces: string[]): { answer: unknown; frames: string } {
  const item = said(pieces.join(''));
  return { answer: response([item]), frames: streamed([{ item, pieces }], response([item])) };
}

const reasoning: Item = { type: 'reasoning', id: 'rs_01', summary: [{ type: 'summary_text', text: '391 + 23' }], encrypted_content: 'Z0FBQUFB' };

function answered(items: readonly { item: Item; pieces: readonly string[] }[]): { answer: unknown; frames: string } {
  const whole = response(items.map(({ item }) => item));
  return { answer: whole, frames: streamed(items, whole) };
}

const started = { type: 'response.created', sequence_number: 0, response: response([], 'in_progress') };

export const openAiResponsesCases: DialectCases = {
  text: {
    request: {
      model,
      stream: true,
      store: false,
      instructions: 'Answer in one sentence.',
      input: 'What is the capital of France?',
      max_output_tokens: 256,
      prompt_cache_key: 'session-1',
      text: { verbosity: 'low' },
    },
    ...spoken('The capital of ', 'France is Paris.'),
  },
  image: {
    request: asked([
      { type: 'input_image', image_url: `data:image/png;base64,${pixel}`, detail: 'auto' },
      { type: 'input_image', image_url: 'https://example.com/cat.png', detail: 'low' },
      { type: 'input_text', text: 'What is in these images?' },
    ]),
    ...spoken('A red pixel', ' and a cat.'),
  },
  'one-tool': {
    request: asked('Weather in Paris?', { tools: [weatherTool], tool_choice: 'required', parallel_tool_calls: false }),
    ...answered([
      { item: said('I will look.'), pieces: ['I will look.'] },
      { item: called(1, 'Paris, FR'), pieces: ['{"city":"Paris,', ' FR"}'] },
    ]),
  },
  'parallel-tools': {
    request: asked('Weather in Paris and Rome?', { tools: [weatherTool], parallel_tool_calls: true }),
    ...answered([
      { item: called(1, 'Paris'), pieces: ['{"city":', '"Paris"}'] },
      { item: called(2, 'Rome'), pieces: ['{"city":"Rome"}'] },
    ]),
  },
  'tool-result': {
    request: {
      model,
      stream: true,
      store: false,
      tools: [weatherTool],
      input: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Weather in Paris and Rome?' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I will look.' }] },
        { type: 'function_call', id: 'fc_01', call_id: 'call_01', name: 'get_weather', arguments: '{"city":"Paris"}' },
        { type: 'function_call', id: 'fc_02', call_id: 'call_02', name: 'get_weather', arguments: '{"city":"Rome"}' },
        {
          type: 'function_call_output',
          call_id: 'call_01',
          output: [
            { type: 'input_text', text: 'Sunny, 21 °C' },
            { type: 'input_image', image_url: `data:image/png;base64,${pixel}` },
          ],
        },
        { type: 'function_call_output', call_id: 'call_02', output: 'no such city' },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Go on.' }] },
      ],
    },
    ...spoken('Paris is sunny; ', 'Rome was not found.'),
  },
  thinking: {
    request: {
      model,
      stream: true,
      store: false,
      include: ['reasoning.encrypted_content'],
      reasoning: { effort: 'medium', summary: 'auto' },
      input: [
        { type: 'message', role: 'user', content: 'What is 17 × 23?' },
        { type: 'reasoning', id: 'rs_00', summary: [{ type: 'summary_text', text: '17 × 20 + 17 × 3' }], encrypted_content: 'Z0FBQUEw' },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: '391' }] },
        { type: 'message', role: 'user', content: 'And 18 × 23?' },
      ],
    },
    ...answered([
      { item: reasoning, pieces: ['391 ', '+ 23'] },
      { item: said('414'), pieces: ['414'] },
    ]),
  },
  'stop-reason': {
    request: asked('Count to five.', { temperature: 0.2, text: { format: { type: 'json_object' } } }),
    answer: response([said('1 2 3 ')], 'incomplete', 'content_filter'),
    frames: streamed([{ item: said('1 2 3 '), pieces: ['1 2 ', '3 '] }], response([said('1 2 3 ')], 'incomplete', 'content_filter')),
  },
  'max-tokens': {
    request: asked('Tell a long story.', { max_output_tokens: 16 }),
    answer: response([said('Once upon a')], 'incomplete', 'max_output_tokens'),
    frames: streamed([{ item: said('Once upon a'), pieces: ['Once upon', ' a'] }], response([said('Once upon a')], 'incomplete', 'max_output_tokens')),
  },
  'error-mid-stream': {
    request: asked('Hello'),
    answer: { ...response([], 'failed'), error: { code: 'server_error', message: 'The model failed' } },
    frames: namedFrames([
      started,
      { type: 'response.output_item.added', sequence_number: 1, output_index: 0, item: { ...said(''), content: [], status: 'in_progress' } } as { type: string },
      { type: 'response.output_text.delta', sequence_number: 2, item_id: 'msg_01', output_index: 0, content_index: 0, delta: 'Hel' } as { type: string },
      { type: 'response.failed', sequence_number: 3, response: { ...response([], 'failed'), error: { code: 'server_error', message: 'The model failed' } } } as { type: string },
    ]),
  },
  empty: {
    request: asked('Say nothing.'),
    ...answered([]),
  },
  unicode: {
    request: asked([{ type: 'input_text', text: unicodeText }], { tools: [weatherTool] }),
    ...answered([
      { item: said(unicodeText), pieces: unicodeText.split(/(?<= )/) },
      { item: called(1, 'São Paulo 🌧 \u2028'), pieces: ['{"city":"São Pau', 'lo 🌧 \u2028"}'] },
    ]),
  },
};
