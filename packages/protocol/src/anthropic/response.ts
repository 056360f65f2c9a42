import type { AnswerPart, ChatResponse, Citation, SearchPart } from '../chat.ts';
import { assertNever } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import type { UpstreamError } from '../errors.ts';
import { asString, objectsOf } from '../fields.ts';
import { asFields, asText, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext } from '../protocol.ts';
import { statusOfErrorName } from '../http-status.ts';
import { writeSeal } from '../seal.ts';
import { emptyUsage, parseUsage } from '../usage.ts';
import type { Usage } from '../usage.ts';
import { decodeBlock, decodeSearch } from './blocks.ts';
import { finishOf, serverBlocks, stopReasonOf } from './types.ts';

export function decodeResponse(body: unknown, { drops }: AnswerContext): ChatResponse {
  const fields = asFields(body);
  if (fields === undefined || !Array.isArray(fields.content)) throw malformed('content', 'the answer has no content');
  const finish = finishOf(fields.stop_reason);
  const parts = decodeAnswer(objectsOf(fields.content), drops);
  const called = parts.some((part) => part.type === 'tool-call');
  return {
    id: asText(fields.id),
    model: asText(fields.model),
    created: undefined,
    parts,
    finish: called && finish === 'stop' ? 'tool-calls' : finish,
    stopSequence: asText(fields.stop_sequence),
    usage: parseUsage('anthropic', fields),
    serviceTier: asText(asFields(fields.usage)?.service_tier),
  };
}

function decodeAnswer(blocks: readonly Fields[], drops: DropLog): AnswerPart[] {
  const calls = new Map<string, { id: string; input: unknown }>();
  return blocks.flatMap((block, index): AnswerPart[] => {
    const id = asString(block.id) ?? '';
    if (block.type === 'server_tool_use' && block.name === 'web_search') {
      calls.set(id, { id, input: block.input });
      return [];
    }
    const call = block.type === 'web_search_tool_result' ? calls.get(asString(block.tool_use_id) ?? '') : undefined;
    if (call !== undefined) return [decodeSearch(call, block)];
    if (serverBlocks.has(asString(block.type) ?? '')) {
      drops.add('answer-server-tool', `content[${index}]`);
      return [];
    }
    return decodeBlock(block, `content[${index}]`, 'assistant', drops).filter(isAnswerPart);
  });
}

function isAnswerPart(part: { type: string }): part is AnswerPart {
  return part.type !== 'document' && part.type !== 'audio' && part.type !== 'tool-result';
}

export function encodeResponse(response: ChatResponse, context: AnswerContext): Fields {
  return {
    id: answerId(response.id, context),
    type: 'message',
    role: 'assistant',
    model: response.model ?? context.model,
    content: response.parts.flatMap((part) => encodeAnswerPart(part, context)),
    stop_reason: stopReasonOf(response.finish),
    stop_sequence: response.stopSequence ?? null,
    usage: encodeUsage(response.usage),
  };
}

function encodeAnswerPart(part: AnswerPart, context: AnswerContext): Fields[] {
  switch (part.type) {
    case 'text': {
      const block: Fields = { type: 'text', text: part.text };
      if (part.citations !== undefined) block.citations = part.citations.map(encodeCitation);
      return [block];
    }
    case 'refusal':
      return [{ type: 'text', text: part.text }];
    case 'reasoning':
      if (part.seal?.redacted === true && part.seal.origin === 'anthropic') return [{ type: 'redacted_thinking', data: part.seal.data }];
      return [{ type: 'thinking', thinking: part.text, signature: part.seal === undefined ? '' : writeSeal('anthropic', part.seal) }];
    case 'tool-call':
      return [{ type: 'tool_use', id: part.id, name: part.name, input: answerInput(part.input, context.drops) }];
    case 'search':
      return encodeSearch(part, context);
    case 'image':
      context.drops.add('answer-image', 'content');
      return [{ type: 'text', text: part.source.kind === 'base64' ? `[${part.source.mediaType}]` : '[image]' }];
    default:
      return assertNever(part);
  }
}

function answerInput(input: string, drops: DropLog): Fields {
  const fields = input.trim() === '' ? {} : asFields(parseJson(input));
  if (fields !== undefined) return fields;
  // Cut by the token limit, or not JSON to begin with.
  drops.add('answer-arguments', 'content');
  return { arguments: input };
}

/** The upstream's id where it is one of this dialect, else a fresh one. */
export function answerId(id: string | undefined, context: AnswerContext): string {
  return id?.startsWith('msg_') === true ? id : context.id('msg_');
}

/** A web citation; the position inside the source is Anthropic's secret. */
export function encodeCitation(citation: Citation): Fields {
  return {
    type: 'web_search_result_location',
    url: citation.url,
    title: citation.title,
    cited_text: citation.text ?? '',
    encrypted_index: '',
  };
}

/** A search of the upstream's as the pair of blocks that Anthropic would have written. */
export function encodeSearch(search: SearchPart, context: AnswerContext): Fields[] {
  const id = search.id?.startsWith('srvtoolu_') === true ? search.id : context.id('srvtoolu_');
  const content = search.results.map(({ url, title }) => ({ type: 'web_search_result', url, title, encrypted_content: '', page_age: null }));
  return [
    { type: 'server_tool_use', id, name: 'web_search', input: { query: search.queries.join('\n') } },
    { type: 'web_search_tool_result', tool_use_id: id, content },
  ];
}

/** Usage in Anthropic's words: input is what no cache had a part in. */
export function encodeUsage(usage: Usage = emptyUsage()): Fields {
  const fields: Fields = {
    input_tokens: usage.input,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit,
    cache_read_input_tokens: usage.cacheRead,
    cache_creation: {
      // Writes of unknown lifetime are of the shorter one, which is the default.
      ephemeral_5m_input_tokens: usage.cacheWrite5m + usage.cacheWriteUnsplit,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    output_tokens: usage.output,
  };
  if (usage.reasoning > 0) fields.output_tokens_details = { thinking_tokens: usage.reasoning };
  return fields;
}

const ownTypes: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** The error type that Anthropic's clients know for a failure: the upstream's own if it is one of theirs. */
export function errorTypeOf(failure: UpstreamError): string {
  const own = failure.type;
  if (own !== undefined && Object.values(ownTypes).includes(own) && statusOfErrorName(own) !== undefined) return own;
  return ownTypes[failure.status] ?? (failure.status >= 400 && failure.status < 500 ? 'invalid_request_error' : 'api_error');
}
