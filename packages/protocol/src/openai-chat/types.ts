import type { FinishReason } from '../chat.ts';

/** Top-level fields of a request that the decoder reads; all others land in `extra`. */
export const requestFields: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'verbosity',
  'user',
  'prompt_cache_key',
  'service_tier',
  'web_search_options',
  'n',
  'functions',
  'function_call',
  'modalities',
]);

export const messageFields: ReadonlySet<string> = new Set([
  'role',
  'content',
  'name',
  'tool_calls',
  'tool_call_id',
  'refusal',
  'function_call',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'annotations',
  'audio',
  // What SDKs keep of an answer when they send it back.
  'parsed',
  'images',
]);

const finishReasons: Record<string, FinishReason> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
};

/** Undefined while the answer goes on; an unknown reason is an ordinary end. */
export function finishOf(reason: unknown): FinishReason | undefined {
  if (typeof reason !== 'string' || reason === '') return undefined;
  return finishReasons[reason] ?? 'stop';
}

/** `refused`: the refusal has been said in words, which in this dialect is an ordinary end. */
export function finishReasonOf(finish: FinishReason, refused: boolean): string {
  switch (finish) {
    case 'stop':
    case 'stop-sequence':
    case 'pause':
      return 'stop';
    case 'length':
    case 'context':
      return 'length';
    case 'tool-calls':
      return 'tool_calls';
    case 'refusal':
      return refused ? 'stop' : 'content_filter';
    case 'content-filter':
      return 'content_filter';
  }
}
