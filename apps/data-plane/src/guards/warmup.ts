import { isRecord } from '../request/json.ts';
import type { Guard } from './guard.ts';

/**
 * Setting intercept_anthropic_warmup_requests: Claude Code's "Warmup" message, which only fills a cache, is answered here.
 * It leaves a row that no statistic counts (contract C2.8).
 */
export const warmup: Guard = {
  name: 'warmup',
  onCountTokens: false,
  check({ request, snapshot: { settings } }, random) {
    if (!settings.interceptWarmup || request.path.toLowerCase() !== '/v1/messages' || !isWarmup(request.body?.['messages'])) return undefined;
    return {
      status: 200,
      headers: { 'x-cch-intercepted': 'warmup', 'x-cch-intercepted-by': 'claude-code-hub' },
      body: {
        model: request.model ?? '',
        id: `msg_cch_${random()}`,
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: 'Ready.' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
      },
      recordAs: { blockedBy: 'warmup', reason: { reason: 'warmup request answered by the hub' } },
    };
  },
};

function isWarmup(messages: unknown): boolean {
  if (!Array.isArray(messages) || messages.length !== 1) return false;
  const [message] = messages as unknown[];
  if (!isRecord(message) || message['role'] !== 'user' || !Array.isArray(message['content']) || message['content'].length !== 1) return false;
  const [block] = message['content'] as unknown[];
  if (!isRecord(block) || block['type'] !== 'text' || typeof block['text'] !== 'string') return false;
  const cache = block['cache_control'];
  return block['text'].trim().toLowerCase() === 'warmup' && isRecord(cache) && cache['type'] === 'ephemeral';
}
