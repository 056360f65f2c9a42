import { anthropicCases } from './anthropic.ts';
import type { Oddity } from './oddities.ts';

/** Reasoning that comes back to the provider that made it, through a client of another dialect. */

const tool = { name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } };
const functionTool = { type: 'function', function: { name: 'get_weather', parameters: tool.input_schema } };

/** An Anthropic client in the middle of a tool call, with the signature that the hub wrote for an upstream's seal. */
function anthropicTurn(signature: string, thinking = 'I need the weather.'): unknown {
  return {
    model: 'claude-sonnet-4-5',
    max_tokens: 16_000,
    thinking: { type: 'enabled', budget_tokens: 4000 },
    tools: [tool],
    messages: [
      { role: 'user', content: 'Weather in Paris?' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking, signature },
          { type: 'tool_use', id: 'call_01', name: 'get_weather', input: { city: 'Paris' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_01', content: 'sunny' }] },
    ],
  };
}

const responsesTurn = {
  model: 'gpt-5.1',
  store: false,
  reasoning: { effort: 'high', summary: 'auto' },
  tools: [{ type: 'function', ...tool, parameters: tool.input_schema, strict: false }],
  input: [
    { type: 'message', role: 'user', content: 'Weather in Paris?' },
    { type: 'reasoning', id: 'rs_01', summary: [{ type: 'summary_text', text: 'I need the weather.' }], encrypted_content: 'hub1.a.0.c2lnLTE=' },
    { type: 'reasoning', id: 'rs_02', summary: [], encrypted_content: 'hub1.ax.0.aGlkZGVu' },
    { type: 'function_call', call_id: 'toolu_01', name: 'get_weather', arguments: '{"city":"Paris"}' },
    { type: 'function_call_output', call_id: 'toolu_01', output: 'sunny' },
  ],
};

const chatTurn = {
  model: 'gpt-5.1',
  reasoning_effort: 'low',
  tools: [functionTool],
  messages: [
    { role: 'user', content: 'Weather in Paris?' },
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'I need the weather.So I ask.',
      reasoning_details: [
        { type: 'reasoning.encrypted', data: 'hub1.a.0.c2lnLTE=', length: 19 },
        { type: 'reasoning.encrypted', data: 'hub1.a.0.c2lnLTI=', length: 9 },
      ],
      tool_calls: [{ id: 'toolu_01', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } }],
    },
    { role: 'tool', tool_call_id: 'toolu_01', content: 'sunny' },
  ],
};

/** `[{"t":"I need the weather.","s":"hub1.a.0.c2lnLTE="}]` after the mark, as base64. */
const bundle = btoa(`hub1.${JSON.stringify([{ t: 'I need the weather.', s: 'hub1.a.0.c2lnLTE=' }])}`);

const geminiTurn = {
  contents: [
    { role: 'user', parts: [{ text: 'Weather in Paris?' }] },
    { role: 'model', parts: [{ functionCall: { id: 'toolu_01', name: 'get_weather', args: { city: 'Paris' } }, thoughtSignature: bundle }] },
    { role: 'user', parts: [{ functionResponse: { id: 'toolu_01', name: 'get_weather', response: { output: 'sunny' } } }] },
  ],
  tools: [{ functionDeclarations: [{ name: 'get_weather', parameters: { type: 'OBJECT', properties: { city: { type: 'STRING' } } } }] }],
  generationConfig: { thinkingConfig: { includeThoughts: true, thinkingBudget: 4000 } },
};

const same = { sameProvider: true };

export const reasoningOddities: readonly Oddity[] = [
  { client: 'anthropic', upstream: 'openai-responses', name: 'own-reasoning', context: same, request: anthropicTurn('hub1.r.5.rs_01Z0FBQUFB') },
  { client: 'anthropic', upstream: 'openai-responses', name: 'another-providers-reasoning', request: anthropicTurn('hub1.r.5.rs_01Z0FBQUFB') },
  { client: 'anthropic', upstream: 'openai-chat', name: 'own-reasoning', context: { ...same, targetModel: 'kimi-k2-thinking' }, request: anthropicTurn('hub1.c.0.') },
  { client: 'anthropic', upstream: 'gemini', name: 'own-reasoning', context: { ...same, targetModel: 'gemini-3-pro' }, request: anthropicTurn('hub1.g.0.c2lnLWc=', '') },
  { client: 'anthropic', upstream: 'gemini', name: 'another-providers-reasoning', context: { targetModel: 'gemini-3-pro' }, request: anthropicTurn('EqRkc2lnbmF0dXJl') },
  { client: 'openai-responses', upstream: 'anthropic', name: 'own-reasoning', context: same, request: responsesTurn },
  { client: 'openai-responses', upstream: 'anthropic', name: 'another-providers-reasoning', request: responsesTurn },
  { client: 'openai-chat', upstream: 'anthropic', name: 'own-reasoning', context: same, request: chatTurn },
  { client: 'gemini', upstream: 'anthropic', name: 'own-reasoning', context: same, request: geminiTurn },
  { client: 'gemini', upstream: 'anthropic', name: 'thinking-before-a-call', request: geminiTurn, ...withCall() },
];

function withCall(): { answer: unknown; frames: string } {
  const { answer, frames } = anthropicCases['one-tool'];
  const thinking = (anthropicCases.thinking.answer as { content: unknown[] }).content[0];
  const whole = answer as { content: unknown[] };
  const [start = '', ...rest] = frames.split('\n\n');
  const [, ...thoughts] = anthropicCases.thinking.frames.split('\n\n').slice(0, 6);
  const later = rest.map((frame) => frame.replace(/"index":(\d)/, (_, index: string) => `"index":${Number(index) + 1}`));
  return { answer: { ...whole, content: [thinking, ...whole.content] }, frames: [start, ...thoughts, ...later].join('\n\n') };
}
