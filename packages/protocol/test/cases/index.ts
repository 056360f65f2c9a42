import type { Dialect } from '../../src/dialect.ts';
import { anthropicCases } from './anthropic.ts';
import { geminiCases } from './gemini.ts';
import type { DialectCases } from './names.ts';
import { openAiChatCases } from './openai-chat.ts';
import { openAiResponsesCases } from './openai-responses.ts';

export const cases: Record<Dialect, DialectCases> = {
  anthropic: anthropicCases,
  'openai-chat': openAiChatCases,
  'openai-responses': openAiResponsesCases,
  gemini: geminiCases,
};

/** The model that an upstream of each dialect is asked for, unless the case names one. */
export const targetModels: Record<Dialect, string> = {
  anthropic: 'claude-sonnet-4-5-20250929',
  'openai-chat': 'gpt-4.1',
  'openai-responses': 'gpt-5.1',
  gemini: 'gemini-2.5-pro',
};
