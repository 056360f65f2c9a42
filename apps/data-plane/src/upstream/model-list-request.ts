import type { Provider } from '@hub/contract';
import { fetchJson, type JsonAnswer } from '../fetch-json.ts';
import { providerDialect } from '../routes.ts';
import type { Credentials } from './credentials.ts';
import type { Credential } from './headers.ts';
import { targetOf } from './target.ts';
import type { Transport } from './transport.ts';

/** Lists are small; whatever is larger is no list. Bytes. */
const maxListBytes = 8 * 1024 * 1024;

/**
 * Asks a provider for its models: the one question that every provider type answers for nothing.
 * @throws Error if there is no answer
 */
export async function fetchModelList(
  provider: Provider,
  tools: { readonly transport: Transport; readonly credentials: Credentials },
  timeoutMs: number,
): Promise<JsonAnswer> {
  const credential = await tools.credentials.of(provider);
  const gemini = providerDialect[provider.type] === 'gemini';
  const target = targetOf(provider, gemini ? '/v1beta/models' : '/v1/models', '');
  const request = { method: 'GET', origin: target.origin, path: target.path, headers: listHeaders(provider, credential), body: undefined };
  return fetchJson(tools.transport, request, { proxyUrl: provider.proxyUrl, timeoutMs, maxBytes: maxListBytes });
}

function listHeaders(provider: Provider, credential: Credential): string[] {
  const headers = ['accept', 'application/json', 'accept-encoding', 'identity'];
  if (credential.kind === 'x-goog-api-key') headers.push('x-goog-api-key', credential.token);
  else if (provider.type === 'claude') headers.push('x-api-key', credential.token);
  else headers.push('authorization', `Bearer ${credential.token}`);
  if (providerDialect[provider.type] === 'anthropic') headers.push('anthropic-version', '2023-06-01');
  return headers;
}
