import type { Dialect } from '@hub/protocol';
import type { ProviderType } from '@hub/contract';

/** What a path means. */
export type Route =
  | { readonly kind: 'preflight' }
  | { readonly kind: 'models'; readonly providerTypes: readonly ProviderType[] | undefined }
  | { readonly kind: 'proxy'; readonly operation: Operation; readonly format: ClientFormat | undefined; readonly chat: boolean }
  | { readonly kind: 'unknown' };

/**
 * generate: an answer of a model, whose content can be judged. count_tokens: no session, no limits, no record.
 * other: passed through as it is.
 */
export type Operation = 'generate' | 'count_tokens' | 'other';

/** What the client speaks, in v0.3.42's words, as they stand in the decision chain. */
export type ClientFormat = 'claude' | 'openai' | 'response' | 'gemini' | 'gemini-cli';

const geminiMethod = /^\/v1(?:beta|internal)?\/models\/[^/]+:(generatecontent|streamgeneratecontent|counttokens)$/;

const fixed: Readonly<Record<string, Route>> = {
  '/v1/messages': { kind: 'proxy', operation: 'generate', format: 'claude', chat: false },
  '/v1/messages/count_tokens': { kind: 'proxy', operation: 'count_tokens', format: 'claude', chat: false },
  '/v1/chat/completions': { kind: 'proxy', operation: 'generate', format: undefined, chat: true },
  '/v1/responses': { kind: 'proxy', operation: 'generate', format: undefined, chat: true },
};

const modelLists: Readonly<Record<string, readonly ProviderType[] | undefined>> = {
  '/v1/models': undefined,
  '/v1beta/models': undefined,
  '/v1/responses/models': ['codex'],
  '/v1/chat/completions/models': ['openai-compatible'],
  '/v1/chat/models': ['openai-compatible'],
};

/** Method + path → meaning. Paths are compared in lower case, as v0.3.42 does. */
export function routeOf(method: string, path: string): Route {
  const lower = path.toLowerCase();
  if (!lower.startsWith('/v1/') && !lower.startsWith('/v1beta/') && !lower.startsWith('/v1internal')) return { kind: 'unknown' };
  if (method === 'OPTIONS') return { kind: 'preflight' };
  if ((method === 'GET' || method === 'HEAD') && lower in modelLists) return { kind: 'models', providerTypes: modelLists[lower] };
  const known = fixed[lower];
  if (known !== undefined && method === 'POST') return known;
  const gemini = geminiMethod.exec(lower);
  if (gemini !== null) {
    const operation = gemini[1] === 'counttokens' ? 'other' : 'generate';
    return { kind: 'proxy', operation, format: lower.startsWith('/v1internal') ? 'gemini-cli' : 'gemini', chat: false };
  }
  return { kind: 'proxy', operation: 'other', format: lower.startsWith('/v1/messages') ? 'claude' : undefined, chat: false };
}

export const dialectOf: Readonly<Record<ClientFormat, Dialect>> = {
  claude: 'anthropic',
  openai: 'openai-chat',
  response: 'openai-responses',
  gemini: 'gemini',
  'gemini-cli': 'gemini',
};

/** Which provider types speak a client's format natively (contract C3.1). */
export const nativeTypes: Readonly<Record<ClientFormat, readonly ProviderType[]>> = {
  claude: ['claude', 'claude-auth'],
  openai: ['openai-compatible'],
  response: ['codex'],
  gemini: ['gemini'],
  'gemini-cli': ['gemini-cli'],
};

/** How v0.3.42's decision chain calls the providers that a format is meant for. */
export const targetTypes: Readonly<Record<ClientFormat, ProviderType>> = {
  claude: 'claude',
  openai: 'openai-compatible',
  response: 'codex',
  gemini: 'gemini',
  'gemini-cli': 'gemini-cli',
};

export const providerDialect: Readonly<Record<ProviderType, Dialect>> = {
  claude: 'anthropic',
  'claude-auth': 'anthropic',
  codex: 'openai-responses',
  'openai-compatible': 'openai-chat',
  gemini: 'gemini',
  'gemini-cli': 'gemini',
};
