/**
 * The four wire formats that the hub speaks on both sides, named after the API they belong to:
 * Anthropic Messages, OpenAI Chat Completions, OpenAI Responses, Gemini generateContent.
 */
export type Dialect = 'anthropic' | 'openai-chat' | 'openai-responses' | 'gemini';

/** Every dialect, in the order in which tables and tests list them. */
export const dialects: readonly Dialect[] = ['anthropic', 'openai-chat', 'openai-responses', 'gemini'];
