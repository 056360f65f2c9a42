import type { Citation, SearchPart, Seal } from '../chat.ts';
import type { Fields } from '../json.ts';
import { writeSeal } from '../seal.ts';
import { inputTotal } from '../usage-fields.ts';
import { emptyUsage, usageTotal } from '../usage.ts';
import type { Usage } from '../usage.ts';

/** Items of an answer as Responses writes them, whole. */

export function textContent(text: string, annotations: readonly Fields[]): Fields {
  return { type: 'output_text', text, annotations, logprobs: [] };
}

export function messageItem(id: string, content: readonly Fields[], status = 'completed'): Fields {
  return { type: 'message', id, status, role: 'assistant', content };
}

export function reasoningItem(id: string, text: string, seal: Seal | undefined): Fields {
  const summary = text === '' ? [] : [{ type: 'summary_text', text }];
  const item: Fields = { type: 'reasoning', id, summary };
  if (seal !== undefined) item.encrypted_content = writeSeal('openai-responses', seal);
  return item;
}

export interface CallItem {
  id: string;
  callId: string;
  name: string;
  namespace: string | undefined;
  custom: boolean;
  input: string;
  status: string;
}

export function callItem(call: CallItem): Fields {
  const { id, callId, name, namespace, custom, input, status } = call;
  const item: Fields = { type: custom ? 'custom_tool_call' : 'function_call', id, call_id: callId, name };
  if (namespace !== undefined) item.namespace = namespace;
  item[custom ? 'input' : 'arguments'] = input;
  item.status = status;
  return item;
}

export function searchItem(id: string, search: SearchPart, status = 'completed'): Fields {
  const action: Fields = { type: 'search', query: search.queries.join('\n'), queries: search.queries };
  if (search.results.length > 0) action.sources = search.results.map(({ url }) => ({ type: 'url', url }));
  return { type: 'web_search_call', id, status, action };
}

export function imageItem(id: string, data: string): Fields {
  return { type: 'image_generation_call', id, status: 'completed', result: data };
}

export function annotation(citation: Citation, start: number, end: number): Fields {
  return { type: 'url_citation', url: citation.url, title: citation.title, start_index: start, end_index: end };
}

export interface ResponseHead {
  id: string;
  createdAt: number;
  model: string;
}

/** The `response` object; typed clients want every field that OpenAI always sends. */
export function responseObject(head: ResponseHead, state: { status: string; output: readonly Fields[]; incomplete?: string | undefined; error?: Fields; usage?: Fields }): Fields {
  return {
    id: head.id,
    object: 'response',
    created_at: head.createdAt,
    status: state.status,
    error: state.error ?? null,
    incomplete_details: state.incomplete === undefined ? null : { reason: state.incomplete },
    instructions: null,
    metadata: {},
    model: head.model,
    output: state.output,
    parallel_tool_calls: true,
    temperature: null,
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    usage: state.usage ?? null,
  };
}

/** Usage in OpenAI's words: input includes what came from a cache and what was written to one. */
export function encodeUsage(usage: Usage = emptyUsage()): Fields {
  const written = usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit;
  const details: Fields = { cached_tokens: usage.cacheRead };
  if (written > 0) details.cache_write_tokens = written;
  return {
    input_tokens: inputTotal(usage),
    input_tokens_details: details,
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usageTotal(usage),
  };
}
