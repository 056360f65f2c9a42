import type { FinishReason } from '../chat.ts';
import type { Fields } from '../json.ts';

/** Top-level fields of a request that the decoder reads; all others land in `extra`. */
export const requestFields: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'stream',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'tools',
  'tool_choice',
  'thinking',
  'metadata',
  'output_config',
  'output_format',
  'cache_control',
  'service_tier',
]);

export const toolFields: ReadonlySet<string> = new Set([
  'type',
  'name',
  'description',
  'input_schema',
  'cache_control',
  'defer_loading',
  'strict',
]);

export const outputConfigFields: ReadonlySet<string> = new Set(['effort', 'format']);

/** Blocks of an answer that record what Anthropic ran by itself. */
export const serverBlocks: ReadonlySet<string> = new Set([
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'code_execution_tool_result',
  'bash_code_execution_tool_result',
  'text_editor_code_execution_tool_result',
  'tool_search_tool_result',
  'mcp_tool_use',
  'mcp_tool_result',
  'container_upload',
  'compaction',
]);

/** Tools that Anthropic runs by itself; what the client runs but Anthropic's models are trained for is not among them. */
export const serverTools = /^(web_fetch|code_execution|tool_search_tool|mcp_toolset)/;

/** A content block on the wire. */
export type Block = Fields & { type: string };

const finishReasons: Record<string, FinishReason> = {
  end_turn: 'stop',
  stop_sequence: 'stop-sequence',
  max_tokens: 'length',
  model_context_window_exceeded: 'context',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  refusal: 'refusal',
};

/** An unknown reason is an ordinary end. */
export function finishOf(stopReason: unknown): FinishReason {
  return (typeof stopReason === 'string' ? finishReasons[stopReason] : undefined) ?? 'stop';
}

/** Every client knows these five; the newer two of Anthropic's own are told apart by none that we know of. */
export function stopReasonOf(finish: FinishReason): string {
  switch (finish) {
    case 'stop':
      return 'end_turn';
    case 'stop-sequence':
      return 'stop_sequence';
    case 'length':
    case 'context':
      return 'max_tokens';
    case 'tool-calls':
      return 'tool_use';
    case 'pause':
      return 'pause_turn';
    case 'refusal':
    case 'content-filter':
      return 'refusal';
  }
}
