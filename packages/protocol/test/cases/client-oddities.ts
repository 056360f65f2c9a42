import { anthropicCases } from './anthropic.ts';
import { geminiCases } from './gemini.ts';
import { namedFrames, pixel } from './names.ts';
import type { Oddity } from './oddities.ts';
import { openAiChatCases } from './openai-chat.ts';
import { openAiResponsesCases } from './openai-responses.ts';

/** What real clients send: Claude Code 2.1, Codex 0.169, Gemini CLI 0.61. */

const claudeCode = {
  model: 'claude-sonnet-4-5',
  max_tokens: 32_000,
  stream: true,
  system: [
    { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.0a7; cc_entrypoint=sdk-cli;' },
    { type: 'text', text: "You are a Claude agent, built on Anthropic's Claude Agent SDK.", cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'Long instructions.', cache_control: { type: 'ephemeral', ttl: '1h' } },
  ],
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Find the tool and use it.' }] },
    { role: 'system', content: [{ type: 'text', text: 'Environment: Linux.', cache_control: { type: 'ephemeral' } }], output_config: { effort: 'high' } },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_01', name: 'ToolSearch', input: { query: 'notebook' } }] },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_01', content: [{ type: 'tool_reference', tool_name: 'NotebookEdit' }], cache_control: { type: 'ephemeral' } },
      ],
    },
  ],
  tools: [
    { name: 'ToolSearch', description: 'Finds tools', input_schema: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: { query: { type: 'string' } }, required: ['query'], additionalProperties: false } },
    { name: 'NotebookEdit', description: 'Edits notebooks', input_schema: { type: 'object', properties: { path: { type: 'string' } } }, defer_loading: true },
    { name: 'WebFetch', description: 'Fetches a page', input_schema: { type: 'object', properties: {} }, defer_loading: true },
  ],
  metadata: { user_id: '{"device_id":"00ff","account_uuid":"","session_id":"0199f000-0000-7000-8000-000000000001"}' },
  thinking: { type: 'adaptive', display: 'omitted' },
  context_management: { edits: [{ type: 'clear_thinking_20251015' }] },
  output_config: { effort: 'max' },
  safeguards: { dangerous_tool_use: { paths: ['/home/me'] } },
};

const grammar = { type: 'grammar', syntax: 'lark', definition: 'start: /(.|\\n)+/' };

/** Codex with a model of its own catalogue: no `tools`, no `instructions`. */
const codexLite = {
  model: 'gpt-6-sol',
  stream: true,
  store: false,
  include: ['reasoning.encrypted_content'],
  parallel_tool_calls: true,
  prompt_cache_key: '0199f000-0000-7000-8000-000000000002',
  reasoning: { effort: 'medium', context: 'current_turn' },
  client_metadata: { 'x-codex-turn-metadata': '{}' },
  input: [
    {
      type: 'additional_tools',
      role: 'developer',
      tools: [
        {
          type: 'namespace',
          name: 'functions',
          description: 'Built-in tools',
          tools: [
            { type: 'custom', name: 'exec', description: 'Runs a script', format: grammar },
            { type: 'function', name: 'view_image', parameters: { type: 'object', properties: { path: { type: 'string' } } }, strict: false },
          ],
        },
        { type: 'namespace', name: 'mcp__github', tools: [{ type: 'function', name: 'search_code', parameters: { type: 'object', properties: { q: { type: 'string' } } } }] },
        { type: 'web_search', search_context_size: 'low' },
      ],
    },
    { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'You are Codex.' }] },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'List the files.' }] },
    { type: 'custom_tool_call', id: 'ctc_01', call_id: 'call_01', name: 'exec', namespace: 'functions', input: 'ls "$PWD"\n' },
    { type: 'custom_tool_call_output', call_id: 'call_01', output: [{ type: 'input_text', text: 'a.txt' }, { type: 'input_image', image_url: `data:image/png;base64,${pixel}` }] },
    { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'The sandbox is read-only now.' }] },
  ],
};

const execInput = { input: 'cat "a.txt"\n' };
const codexAnswer = {
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5-20250929',
  content: [
    { type: 'tool_use', id: 'toolu_02', name: 'exec', input: execInput },
    { type: 'tool_use', id: 'toolu_03', name: 'mcp__github__search_code', input: { q: 'x' } },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
};
const codexFrames = namedFrames([
  { type: 'message_start', message: { ...codexAnswer, content: [], stop_reason: null } },
  { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 'toolu_02', name: 'exec', input: {} } },
  { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"input": "cat \\"a' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '.txt\\"\\n"}' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 'toolu_03', name: 'mcp__github__search_code', input: {} } },
  { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"q": "x"}' } },
  { type: 'content_block_stop', index: 1 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 5 } },
  { type: 'message_stop' },
] as { type: string }[]);

const codexTitle = {
  model: 'gpt-5.1',
  stream: true,
  store: false,
  tools: [],
  tool_choice: 'auto',
  parallel_tool_calls: false,
  text: { format: { type: 'json_schema', name: 'title', strict: true, schema: { type: 'object', properties: { title: { type: 'string' } }, required: ['title'], additionalProperties: false } } },
  input: [
    { type: 'message', role: 'user', content: 'Name this conversation.' },
    { type: 'function_call', call_id: 'call_01', name: 'shell', arguments: '{"command":["ls"]}' },
    { type: 'function_call_output', call_id: 'call_01', output: 'a.txt' },
  ],
};

const envelope = {
  model: 'gemini-2.5-pro',
  project: 'project-1',
  user_prompt_id: 'p1',
  request: {
    contents: [
      { role: 'user', parts: [{ text: 'Weather in Paris and Rome?' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'get_weather', args: { city: 'Paris' } } },
          { functionCall: { name: 'get_weather', args: { city: 'Rome' } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'get_weather', response: { result: 'sunny' } } },
          { functionResponse: { name: 'get_weather', response: { temperature: 19, unit: 'C' } } },
          { text: 'Shorter, please.' },
        ],
      },
    ],
    systemInstruction: { role: 'user', parts: [{ text: 'You are Gemini CLI.' }, { text: 'Be brief.' }] },
    tools: [{ functionDeclarations: [{ name: 'get_weather', parameters: { type: 'OBJECT', properties: { city: { type: 'STRING', nullable: true } } } }] }],
    generationConfig: { temperature: 1, topP: 0.95, topK: 64, thinkingConfig: { includeThoughts: true, thinkingBudget: -1 } },
  },
};

/** What clients break by cutting, interrupting and slipping in. */
const brokenHistory = {
  model: 'gpt-4.1',
  messages: [
    { role: 'assistant', content: 'Where were we?' },
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'a', arguments: '' } }, { id: 'call_1', type: 'function', function: { name: 'b', arguments: '{"cut": ' } }] },
    { role: 'system', content: 'The user is in a hurry.' },
    { role: 'tool', tool_call_id: 'call_1', content: 'one' },
    { role: 'user', content: 'Go on.' },
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'a', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'call_0', content: 'two' },
    { role: 'tool', tool_call_id: 'call_9', content: 'of nothing' },
  ],
};

const documents = {
  model: 'claude-sonnet-4-5',
  max_tokens: 1000,
  messages: [
    {
      role: 'user',
      content: [
        { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' }, title: 'paper.pdf', context: 'A paper.' },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Plain words.' }, title: 'note' },
        { type: 'search_result', source: 'https://example.com', title: 'Example', content: [{ type: 'text', text: 'Found words.' }] },
        { type: 'text', text: 'Summarise.' },
      ],
    },
  ],
};

const longName = 'mcp__a_server_with_a_rather_long_name__a_tool_with_an_even_longer_name_than_that';
const longNames = {
  model: 'claude-sonnet-4-5',
  max_tokens: 1000,
  stream: true,
  tools: [
    { name: longName, input_schema: { type: 'object', properties: {} } },
    { name: `${longName}_2`, input_schema: { type: 'object', properties: {} } },
  ],
  tool_choice: { type: 'tool', name: longName },
  messages: [{ role: 'user', content: 'Call it.' }],
};

const hardSchema = {
  type: 'object',
  $defs: { node: { type: 'object', properties: { name: { type: 'string' }, next: { $ref: '#/$defs/node' } } } },
  allOf: [{ properties: { kind: { enum: ['a', 'b'] } }, required: ['kind'] }],
  properties: {
    list: { $ref: '#/$defs/node' },
    either: { oneOf: [{ type: 'string', format: 'email' }, { type: 'integer', format: 'int64' }, { type: 'null' }] },
    maybe: { anyOf: [{ type: 'number' }, { type: 'null' }], description: 'May be missing' },
    mixed: { type: ['string', 'integer', 'null'] },
    level: { type: 'integer', enum: [1, 2, 3] },
    map: { type: 'object', additionalProperties: { type: 'string' }, propertyNames: { pattern: '^x' } },
    pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] },
    bare: { type: 'array' },
    when: { type: 'string', format: 'date-time', examples: ['2026-01-01T00:00:00Z'] },
  },
  required: ['list', 'gone'],
  // As text, since an object with a member of that name looks like a promise.
  ...(JSON.parse('{"if": {"properties": {"kind": {"const": "a"}}}, "then": {"required": ["list"]}}') as object),
  patternProperties: { '^y': { type: 'string' } },
};

const structured = { type: 'json_schema', json_schema: { name: 'place', strict: true, schema: { type: 'object', properties: { name: { type: 'string', minLength: 1 }, size: { type: 'integer', minimum: 0 } }, required: ['name', 'size'], additionalProperties: false } } };

export const clientOddities: readonly Oddity[] = [
  { client: 'anthropic', upstream: 'openai-responses', name: 'claude-code', request: claudeCode, ...answersOf(openAiResponsesCases.text) },
  { client: 'anthropic', upstream: 'openai-chat', name: 'claude-code', context: { targetModel: 'kimi-k2' }, request: claudeCode, ...answersOf(openAiChatCases.text) },
  { client: 'anthropic', upstream: 'gemini', name: 'claude-code', context: { targetModel: 'gemini-3-pro-preview' }, request: claudeCode, ...answersOf(geminiCases.text) },
  { client: 'openai-responses', upstream: 'anthropic', name: 'codex-lite', request: codexLite, answer: codexAnswer, frames: codexFrames },
  { client: 'openai-responses', upstream: 'openai-chat', name: 'codex-lite', request: codexLite, ...answersOf(openAiChatCases.text) },
  { client: 'openai-responses', upstream: 'gemini', name: 'codex-lite', context: { targetModel: 'gemini-3-flash' }, request: codexLite, ...answersOf(geminiCases.text) },
  { client: 'openai-responses', upstream: 'openai-chat', name: 'codex-title', request: codexTitle, ...answersOf(openAiChatCases.text) },
  { client: 'openai-responses', upstream: 'anthropic', name: 'codex-title', request: codexTitle, ...answersOf(anthropicCases.text) },
  { client: 'gemini', upstream: 'anthropic', name: 'envelope', request: envelope, ...answersOf(anthropicCases.text) },
  { client: 'gemini', upstream: 'openai-chat', name: 'envelope', request: envelope, ...answersOf(openAiChatCases.text) },
  { client: 'openai-chat', upstream: 'anthropic', name: 'broken-history', request: brokenHistory },
  { client: 'openai-chat', upstream: 'openai-responses', name: 'broken-history', request: brokenHistory },
  { client: 'openai-chat', upstream: 'gemini', name: 'broken-history', request: brokenHistory },
  { client: 'anthropic', upstream: 'openai-chat', name: 'documents', request: documents },
  { client: 'anthropic', upstream: 'openai-responses', name: 'documents', request: documents },
  { client: 'anthropic', upstream: 'gemini', name: 'documents', request: documents },
  { client: 'anthropic', upstream: 'openai-chat', name: 'long-names', request: longNames },
  { client: 'anthropic', upstream: 'gemini', name: 'hard-schema', request: { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }], tools: [{ name: 'hard', input_schema: hardSchema }] } },
  { client: 'anthropic', upstream: 'openai-responses', name: 'hard-schema', request: { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }], tools: [{ name: 'hard', input_schema: hardSchema, strict: true }] } },
  { client: 'openai-chat', upstream: 'anthropic', name: 'structured-output', request: { model: 'm', messages: [{ role: 'user', content: 'x' }], response_format: structured } },
  { client: 'openai-chat', upstream: 'anthropic', name: 'structured-output-old-model', context: { targetModel: 'claude-3-5-haiku-20241022' }, request: { model: 'm', messages: [{ role: 'user', content: 'x' }], response_format: structured } },
  { client: 'openai-chat', upstream: 'gemini', name: 'structured-output', request: { model: 'm', messages: [{ role: 'user', content: 'x' }], response_format: structured } },
  { client: 'openai-chat', upstream: 'anthropic', name: 'newest-model', context: { targetModel: 'claude-opus-5' }, request: { model: 'm', temperature: 0.2, reasoning_effort: 'xhigh', messages: [{ role: 'user', content: 'x' }] } },
];

function answersOf({ answer, frames }: { answer: unknown; frames: string }): { answer: unknown; frames: string } {
  return { answer, frames };
}
