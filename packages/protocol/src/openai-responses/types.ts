import type { FinishReason } from '../chat.ts';
import { asText, asFields } from '../json.ts';
import type { Fields } from '../json.ts';

/** Top-level fields of a request that the decoder reads; all others land in `extra`. */
export const requestFields: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'max_output_tokens',
  'temperature',
  'top_p',
  'stream',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning',
  'text',
  'user',
  'prompt_cache_key',
  'service_tier',
  'store',
  'include',
  'background',
  'previous_response_id',
  'conversation',
  'prompt',
]);

/** Items that record what OpenAI ran by itself, or what only Codex reads. */
export const serverItems: ReadonlySet<string> = new Set([
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'mcp_list_tools',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'tool_search_call',
  'program',
  'program_output',
  'ghost_snapshot',
]);

/** Items of tools that the client runs but OpenAI defines. */
export const clientItems = /^(local_shell|shell|apply_patch|computer)_call/;

export const serverTools: ReadonlySet<string> = new Set([
  'file_search',
  'code_interpreter',
  'image_generation',
  'mcp',
  'tool_search',
  'programmatic_tool_calling',
]);

/** Events of an answer's ending. */
export function finishOf(response: Fields): FinishReason {
  if (response.status !== 'incomplete') return 'stop';
  return asText(asFields(response.incomplete_details)?.reason) === 'content_filter' ? 'content-filter' : 'length';
}

/** Why an answer is incomplete; undefined if it is complete. `refused`: the refusal has been said in words. */
export function incompleteReasonOf(finish: FinishReason, refused: boolean): string | undefined {
  switch (finish) {
    case 'length':
    case 'context':
      return 'max_output_tokens';
    case 'content-filter':
      return 'content_filter';
    case 'refusal':
      return refused ? undefined : 'content_filter';
    case 'stop':
    case 'stop-sequence':
    case 'tool-calls':
    case 'pause':
      return undefined;
  }
}
