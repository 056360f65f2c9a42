import type { Dialect } from '../../src/index.ts';
import { dataFrames, namedFrames } from './names.ts';

/** Requests and answers that meet the rows of the table which no golden page meets. */
export interface Trigger {
  from: Dialect;
  to: Dialect;
  targetModel?: string;
  request?: unknown;
  frames?: string;
}

type Payload = { type: string; [field: string]: unknown };

/** Anthropic's client: one user message unless `messages` are given. */
function messages(more: object, content: unknown = 'x'): object {
  return { model: 'm', max_tokens: 5000, messages: [{ role: 'user', content }], ...more };
}

function chat(more: object, content: unknown = 'x'): object {
  return { model: 'm', messages: [{ role: 'user', content }], ...more };
}

function responses(more: object): object {
  return { model: 'm', input: 'x', ...more };
}

function contents(more: object, parts: unknown[] = [{ text: 'x' }]): object {
  return { contents: [{ role: 'user', parts }], ...more };
}

function assistant(content: unknown): object {
  return messages({ messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content }, { role: 'user', content: 'y' }] });
}

const tools = [{ type: 'function', function: { name: 'a', parameters: {} } }, { type: 'function', function: { name: 'b', parameters: {} } }];
const allowed = { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'a' } }] } };
const looseSchema = { type: 'json_schema', json_schema: { name: 'n', strict: true, schema: { type: 'object', properties: { a: {} } } } };
const cited = { type: 'text', text: 'A', citations: [{ type: 'page_location', document_index: 0 }] };

function anthropicFrames(...events: object[]): string {
  const start = { type: 'message_start', message: { id: 'msg_1', model: 'm', usage: { input_tokens: 1, output_tokens: 1 } } };
  return namedFrames([start, ...events, { type: 'message_delta', delta: { stop_reason: 'pause_turn' }, usage: { output_tokens: 2 } }, { type: 'message_stop' }] as Payload[]);
}

const tooLong = Array.from({ length: 30 }, () => ({ choices: [{ index: 0, delta: { content: 'x'.repeat(10_000) } }] }));

export const triggers: readonly Trigger[] = [
  { from: 'anthropic', to: 'openai-chat', request: messages({}, [{ type: 'hologram' }]) },
  { from: 'anthropic', to: 'openai-chat', request: assistant([{ type: 'hologram' }, cited]) },
  { from: 'anthropic', to: 'gemini', request: assistant([{ type: 'server_tool_use', id: 's', name: 'web_search', input: {} }]) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ messages: [{ role: 'user', content: 'x', mood: 'good' }] }) },
  { from: 'anthropic', to: 'gemini', request: messages({ tools: [{ name: 'a', input_schema: {}, input_examples: [{}] }] }) },
  { from: 'openai-chat', to: 'gemini', request: chat({ messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content: null, refusal: 'No.' }] }) },
  { from: 'openai-responses', to: 'anthropic', request: responses({ input: [{ role: 'user', content: 'x' }, { type: 'web_search_call', action: { type: 'search', query: 'q' } }] }) },
  { from: 'gemini', to: 'openai-chat', request: { contents: [{ role: 'user', parts: [{ text: 'x' }] }, { role: 'model', parts: [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }] }] } },
  { from: 'openai-chat', to: 'gemini', request: chat({ messages: [{ role: 'user', content: 'x' }, { role: 'assistant', content: 'y', audio: { id: 'audio_1' } }] }) },
  { from: 'openai-responses', to: 'anthropic', request: responses({ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] }] }) },
  { from: 'anthropic', to: 'gemini', request: messages({}, [{ type: 'document', source: { type: 'file', file_id: 'file_1' } }]) },
  { from: 'anthropic', to: 'openai-chat', request: messages({}, [{ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }]) },
  { from: 'openai-chat', to: 'anthropic', request: chat({}, [{ type: 'file', file: { filename: 'a.docx', file_data: 'data:application/msword;base64,AA==' } }]) },
  { from: 'openai-chat', to: 'anthropic', request: chat({}, [{ type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }]) },
  { from: 'gemini', to: 'openai-chat', request: contents({}, [{ fileData: { mimeType: 'audio/wav', fileUri: 'https://example.com/a.wav' } }]) },
  { from: 'openai-chat', to: 'gemini', request: chat({ modalities: ['text', 'audio'] }) },
  { from: 'gemini', to: 'openai-responses', request: contents({}, [{ text: 'x', thoughtSignature: 'AA==' }]) },
  { from: 'openai-responses', to: 'openai-chat', request: responses({ tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] }) },
  { from: 'anthropic', to: 'openai-chat', request: messages({ tools: [{ type: 'computer_20250124', name: 'computer' }] }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ tools, tool_choice: allowed }) },
  { from: 'openai-responses', to: 'anthropic', request: responses({ tools: [{ type: 'function', name: 'a', parameters: {} }], tool_choice: { type: 'web_search' } }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ functions: [{ name: 'a' }] }) },
  { from: 'anthropic', to: 'openai-chat', targetModel: 'o3', request: messages({ thinking: { type: 'disabled' } }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ max_tokens: 500, reasoning_effort: 'low' }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ tools, tool_choice: 'required', reasoning_effort: 'low' }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ temperature: 0.5, reasoning_effort: 'low' }) },
  { from: 'anthropic', to: 'gemini', request: messages({ stop_sequences: ['1', '2', '3', '4', '5', '6'] }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ stop: ['\n'] }) },
  { from: 'gemini', to: 'anthropic', request: contents({ generationConfig: { candidateCount: 2 } }) },
  { from: 'openai-chat', to: 'openai-responses', request: chat({ response_format: looseSchema }) },
  { from: 'openai-chat', to: 'anthropic', request: chat({ service_tier: 'flex', logit_bias: { 1: 1 }, logprobs: true, top_logprobs: 3, metadata: { a: 'b' }, prediction: {}, moderation: {}, store: true, safety_identifier: 's', prompt_cache_retention: '24h' }) },
  { from: 'openai-responses', to: 'openai-chat', request: responses({ previous_response_id: 'resp_1' }) },
  { from: 'openai-responses', to: 'gemini', request: responses({ input: [{ type: 'compaction', encrypted_content: 'x' }] }) },
  { from: 'openai-responses', to: 'gemini', request: responses({ store: true, include: ['file_search_call.results'], truncation: 'auto', max_tool_calls: 3 }) },
  { from: 'anthropic', to: 'openai-responses', request: messages({ container: 'c', mcp_servers: [{}] }) },
  { from: 'gemini', to: 'anthropic', request: contents({ labels: { a: 'b' }, generationConfig: { responseLogprobs: true } }) },
  { from: 'anthropic', to: 'openai-responses', frames: anthropicFrames({ type: 'content_block_start', index: 0, content_block: { type: 'hologram' } }, { type: 'content_block_start', index: 1, content_block: { type: 'code_execution_tool_result' } }) },
  { from: 'anthropic', to: 'gemini', frames: anthropicFrames({ type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'a', input: {} } }, { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '[1]' } }, { type: 'content_block_stop', index: 0 }) },
  { from: 'openai-chat', to: 'anthropic', frames: dataFrames([{ choices: [{ index: 0, delta: { audio: { data: 'AA==' } } }] }]) },
  { from: 'openai-chat', to: 'openai-responses', frames: dataFrames(tooLong) },
];
