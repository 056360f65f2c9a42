import type { Dialect } from '../dialect.ts';
import type { SseEvent } from '../sse.ts';
import { validateAnthropic } from './anthropic.ts';
import { validateGemini } from './gemini.ts';
import { validateOpenaiChat } from './openai-chat.ts';
import { validateOpenaiResponses } from './openai-responses.ts';

const validators: Record<Dialect, (events: readonly SseEvent[]) => string[]> = {
  anthropic: validateAnthropic,
  'openai-chat': validateOpenaiChat,
  'openai-responses': validateOpenaiResponses,
  gemini: validateGemini,
};

/**
 * What is wrong with a whole stream, judged as strictly as the strictest official client would: order of events, indexes,
 * ids, tool arguments that parse, usage that adds up, one terminal event with nothing after it. Empty: it is legal.
 */
export function validateStream(dialect: Dialect, events: readonly SseEvent[]): string[] {
  return validators[dialect](events);
}
