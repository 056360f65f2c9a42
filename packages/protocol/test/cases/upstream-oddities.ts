import { dataFrames, namedFrames, pixel } from './names.ts';
import type { Oddity } from './oddities.ts';
import { openAiChatCases } from './openai-chat.ts';

/** What real upstreams and relays answer. */

type Payload = { type: string; [field: string]: unknown };

function chatChunk(delta: object, finish: string | null = null): object {
  return { id: 'chatcmpl-01', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] };
}

function chatCall(index: number | undefined, id: string | undefined, name: string | undefined, text: string): object {
  return chatChunk({ tool_calls: [{ ...(index === undefined ? {} : { index }), ...(id === undefined ? {} : { id }), type: 'function', function: { ...(name === undefined ? {} : { name }), arguments: text } }] });
}

const response = { id: 'resp_01', object: 'response', created_at: 1_700_000_000, status: 'in_progress', model: 'gpt-5.1', output: [] };
const call = { type: 'function_call', id: 'fc_01', call_id: 'call_01', name: 'get_weather', arguments: '{"city":"Paris"}', status: 'completed' };
const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };

const refused = { type: 'message', id: 'msg_02', status: 'completed', role: 'assistant', content: [{ type: 'refusal', refusal: 'I cannot do that.' }] };

const searchItem = { type: 'web_search_call', id: 'ws_01', status: 'completed', action: { type: 'search', query: 'weather paris', sources: [{ type: 'url', url: 'https://example.com/a' }] } };
const cited = { type: 'message', id: 'msg_01', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: 'Sunny.', annotations: [{ type: 'url_citation', url: 'https://example.com/a', title: 'A', start_index: 0, end_index: 6 }], logprobs: [] }] };
const searched = { ...response, status: 'completed', output: [searchItem, cited], usage };

const searchFrames = namedFrames([
  { type: 'response.created', response },
  { type: 'response.output_item.added', output_index: 0, item: { ...searchItem, status: 'in_progress' } },
  { type: 'response.web_search_call.completed', output_index: 0, item_id: 'ws_01' },
  { type: 'response.output_item.done', output_index: 0, item: searchItem },
  { type: 'response.output_item.added', output_index: 1, item: { ...cited, content: [] } },
  { type: 'response.output_text.delta', output_index: 1, content_index: 0, item_id: 'msg_01', delta: 'Sunny.' },
  { type: 'response.output_text.annotation.added', output_index: 1, content_index: 0, annotation_index: 0, item_id: 'msg_01', annotation: cited.content[0]?.annotations[0] },
  { type: 'response.output_item.done', output_index: 1, item: cited },
  { type: 'response.completed', response: searched },
] as Payload[]);

const anthropicSearch = [
  { type: 'server_tool_use', id: 'srvtoolu_01', name: 'web_search', input: { query: 'weather paris' } },
  { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_01', content: [{ type: 'web_search_result', url: 'https://example.com/a', title: 'A', encrypted_content: 'x', page_age: null }] },
  { type: 'text', text: 'Sunny.', citations: [{ type: 'web_search_result_location', url: 'https://example.com/a', title: 'A', encrypted_index: 'y', cited_text: 'sunny' }] },
];
const anthropicMessage = { id: 'msg_01', type: 'message', role: 'assistant', model: 'claude', content: anthropicSearch, stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 10, output_tokens: 5 } };
const anthropicSearchFrames = namedFrames([
  { type: 'message_start', message: { ...anthropicMessage, content: [] } },
  { type: 'content_block_start', index: 0, content_block: { ...anthropicSearch[0], input: {} } },
  { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"query":"weather paris"}' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: anthropicSearch[1] },
  { type: 'content_block_stop', index: 1 },
  { type: 'content_block_start', index: 2, content_block: { type: 'text', text: '', citations: [] } },
  { type: 'content_block_delta', index: 2, delta: { type: 'text_delta', text: 'Sunny.' } },
  { type: 'content_block_delta', index: 2, delta: { type: 'citations_delta', citation: anthropicSearch[2]?.citations?.[0] } },
  { type: 'content_block_stop', index: 2 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 5 } },
  { type: 'message_stop' },
] as Payload[]);

const grounded = {
  candidates: [
    {
      content: { parts: [{ text: 'Sunny.' }], role: 'model' },
      finishReason: 'STOP',
      index: 0,
      groundingMetadata: { webSearchQueries: ['weather paris'], groundingChunks: [{ web: { uri: 'https://example.com/a', title: 'A' } }] },
    },
  ],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
};

const searchAsked = {
  anthropic: { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'x' }], tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3, allowed_domains: ['example.com'], user_location: { type: 'approximate', city: 'Paris' } }] },
  responses: { model: 'm', input: 'x', tools: [{ type: 'web_search', filters: { allowed_domains: ['example.com'] }, search_context_size: 'low' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'x' }] }], tools: [{ googleSearch: {} }] },
};

const picture = { candidates: [{ content: { parts: [{ text: 'Here: ' }, { inlineData: { mimeType: 'image/png', data: pixel } }], role: 'model' }, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 1290, candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1288 }], totalTokenCount: 1300 }, responseId: 'gem_01' };

const refusalChat = { id: 'chatcmpl-01', object: 'chat.completion', created: 1_700_000_000, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: null, refusal: 'I cannot help with that.' }, finish_reason: 'stop' }], usage: { prompt_tokens: 9, completion_tokens: 6, total_tokens: 15 } };

export const upstreamOddities: readonly Oddity[] = [
  { client: 'anthropic', upstream: 'openai-chat', name: 'interleaved-tools', frames: dataFrames([chatChunk({ role: 'assistant' }), chatCall(0, 'call_a', 'a', '{"x":'), chatCall(1, 'call_b', 'b', '{"y":'), chatCall(0, undefined, undefined, '1}'), chatCall(1, undefined, undefined, '2}'), chatChunk({}, 'tool_calls'), '[DONE]']) },
  { client: 'anthropic', upstream: 'openai-chat', name: 'tools-all-of-index-0', frames: dataFrames([chatCall(0, 'call_a', 'a', '{"x":1}'), chatCall(0, 'call_b', 'b', '{"y":2}'), chatChunk({}, 'stop'), '[DONE]']) },
  { client: 'openai-responses', upstream: 'openai-chat', name: 'tools-without-index', frames: dataFrames([chatCall(undefined, 'call_a', 'a', '{"x":1}'), chatCall(undefined, undefined, undefined, ''), chatCall(undefined, 'call_b', 'b', ''), chatCall(undefined, undefined, undefined, '{"y":2}'), chatChunk({}, 'tool_calls'), '[DONE]']) },
  { client: 'anthropic', upstream: 'openai-chat', name: 'done-without-reason', frames: dataFrames([chatChunk({ content: 'Hi' }), '[DONE]', chatChunk({ content: 'too late' })]) },
  { client: 'openai-responses', upstream: 'openai-chat', name: 'cut-short', frames: dataFrames([chatChunk({ content: 'Hi' })]) },
  { client: 'gemini', upstream: 'openai-responses', name: 'cut-short', frames: namedFrames([{ type: 'response.created', response }, { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Hi' }] as Payload[]) },
  { client: 'openai-chat', upstream: 'gemini', name: 'cut-short', frames: dataFrames([{ candidates: [{ content: { parts: [{ text: 'Hi' }], role: 'model' } }] }]) },
  { client: 'anthropic', upstream: 'openai-chat', name: 'json-for-a-stream', frames: JSON.stringify(openAiChatCases['one-tool'].answer) },
  { client: 'openai-chat', upstream: 'gemini', name: 'error-page-for-a-stream', frames: '<html><title>502 Bad Gateway</title></html>' },
  { client: 'anthropic', upstream: 'openai-responses', name: 'arguments-only-at-the-end', frames: namedFrames([{ type: 'response.created', response }, { type: 'response.output_item.added', output_index: 0, item: { ...call, arguments: '' } }, { type: 'response.function_call_arguments.done', output_index: 0, item_id: 'fc_01', arguments: call.arguments }, { type: 'response.output_item.done', output_index: 0, item: call }, { type: 'response.completed', response: { ...response, status: 'completed', output: [call], usage } }] as Payload[]) },
  { client: 'openai-chat', upstream: 'openai-responses', name: 'nothing-but-the-end', frames: namedFrames([{ type: 'response.completed', response: { ...response, status: 'completed', output: [cited, call], usage } }] as Payload[]) },
  { client: 'anthropic', upstream: 'openai-chat', name: 'refusal', answer: refusalChat, frames: dataFrames([chatChunk({ role: 'assistant', refusal: 'I cannot ' }), chatChunk({ refusal: 'help with that.' }), chatChunk({}, 'stop'), '[DONE]']) },
  { client: 'openai-responses', upstream: 'openai-chat', name: 'refusal', answer: refusalChat, frames: dataFrames([chatChunk({ role: 'assistant', refusal: 'I cannot ' }), chatChunk({ refusal: 'help with that.' }), chatChunk({}, 'stop'), '[DONE]']) },
  { client: 'anthropic', upstream: 'openai-responses', name: 'refusal', answer: { ...response, status: 'completed', output: [refused], usage }, frames: namedFrames([{ type: 'response.created', response }, { type: 'response.output_item.added', output_index: 0, item: { ...refused, content: [] } }, { type: 'response.refusal.delta', output_index: 0, content_index: 0, item_id: 'msg_02', delta: 'I cannot ' }, { type: 'response.refusal.done', output_index: 0, content_index: 0, item_id: 'msg_02', refusal: 'I cannot do that.' }, { type: 'response.output_item.done', output_index: 0, item: refused }, { type: 'response.completed', response: { ...response, status: 'completed', output: [refused], usage } }] as Payload[]) },
  { client: 'openai-chat', upstream: 'anthropic', name: 'refusal', answer: { ...anthropicMessage, content: [], stop_reason: 'refusal' }, frames: namedFrames([{ type: 'message_start', message: { ...anthropicMessage, content: [] } }, { type: 'message_delta', delta: { stop_reason: 'refusal', stop_sequence: null }, usage: { output_tokens: 0 } }, { type: 'message_stop' }] as Payload[]) },
  { client: 'openai-responses', upstream: 'gemini', name: 'blocked-prompt', answer: { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 } }, frames: dataFrames([{ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 } }]) },
  { client: 'anthropic', upstream: 'gemini', name: 'malformed-call', answer: { candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }, frames: dataFrames([{ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }]) },
  { client: 'gemini', upstream: 'anthropic', name: 'call-cut-by-the-limit', frames: namedFrames([{ type: 'message_start', message: { ...anthropicMessage, content: [] } }, { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 'toolu_01', name: 'write', input: {} } }, { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"text": "Once' } }, { type: 'content_block_stop', index: 0 }, { type: 'message_delta', delta: { stop_reason: 'max_tokens', stop_sequence: null }, usage: { output_tokens: 5 } }, { type: 'message_stop' }] as Payload[]) },
  { client: 'anthropic', upstream: 'openai-responses', name: 'web-search', request: searchAsked.anthropic, answer: searched, frames: searchFrames },
  { client: 'gemini', upstream: 'openai-responses', name: 'web-search', request: searchAsked.gemini, answer: searched, frames: searchFrames },
  { client: 'openai-responses', upstream: 'anthropic', name: 'web-search', request: searchAsked.responses, answer: anthropicMessage, frames: anthropicSearchFrames },
  { client: 'openai-chat', upstream: 'anthropic', name: 'web-search', answer: anthropicMessage, frames: anthropicSearchFrames },
  { client: 'anthropic', upstream: 'gemini', name: 'web-search', request: searchAsked.anthropic, answer: grounded, frames: dataFrames([grounded]) },
  { client: 'openai-responses', upstream: 'gemini', name: 'web-search', request: searchAsked.responses, answer: grounded, frames: dataFrames([grounded]) },
  { client: 'openai-chat', upstream: 'gemini', name: 'image-in-the-answer', answer: picture, frames: dataFrames([picture]) },
  { client: 'openai-responses', upstream: 'gemini', name: 'image-in-the-answer', answer: picture, frames: dataFrames([picture]) },
  { client: 'anthropic', upstream: 'gemini', name: 'image-in-the-answer', answer: picture, frames: dataFrames([picture]) },
];
