import type { CacheTtl, Provider } from '@hub/contract';
import type { Caller } from '../authenticate.ts';
import { maxOutputOf, withOutputCap } from '../budget.ts';
import { redirected } from '../model-redirect.ts';
import { isRecord, type JsonObject } from '../request/json.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';
import {
  hasContext1m,
  isOfficialCodex,
  mayHavePrivateKeys,
  sanitizedForCodex,
  withCacheTtl,
  withCodexPreferences,
  withoutPrivateKeys,
} from './body.ts';
import { type Credential, upstreamHeaders } from './headers.ts';
import { pathWithModel, type Target, targetOf } from './target.ts';

/** One request as one provider will get it, with what was decided on the way. */
export interface PreparedRequest {
  readonly method: string;
  readonly target: Target;
  readonly headers: string[];
  readonly body: Buffer | undefined;
  /** After redirect. */
  readonly model: string | undefined;
  readonly cacheTtl: CacheTtl | undefined;
  readonly context1m: boolean;
  /** For message_request.special_settings. */
  readonly specialSettings: readonly JsonObject[];
}

const context1mBeta = 'context-1m-2025-08-07';

/** Whether the client's anthropic-beta asks for the 1M context. */
export function wantsContext1m(request: ProxyRequest): boolean {
  const beta = request.headers['anthropic-beta'];
  const text = typeof beta === 'string' ? beta : (beta?.join(',') ?? '');
  return text.includes('context-1m-');
}

/** Contract C5.1 to C5.3. The client's own bytes are sent if nothing has to change. */
export function prepareRequest(
  request: ProxyRequest,
  caller: Caller,
  provider: Provider,
  { credential, outputCap }: { credential: Credential; outputCap: number | undefined },
): PreparedRequest {
  const anthropic = provider.type === 'claude' || provider.type === 'claude-auth';
  const model = redirected(request.model, provider);
  const cacheTtl = anthropic ? (caller.key.cacheTtl ?? provider.cacheTtl) : undefined;
  const context1m = anthropic && usesContext1m(request, provider, model);
  const specialSettings: JsonObject[] = [];
  const body = preparedBody(request, provider, { model, cacheTtl, outputCap }, specialSettings);
  const betas: string[] = [];
  if (cacheTtl === '1h') betas.push('extended-cache-ttl-2025-04-11');
  if (context1m) betas.push(context1mBeta);
  if (cacheTtl === '1h' && request.headers['anthropic-beta'] === undefined) betas.push('prompt-caching-2024-07-31');
  const path = model !== undefined && model !== request.model ? pathWithModel(request.path, model) : request.path;
  return {
    method: request.method,
    target: targetOf(provider, path, request.search),
    headers: upstreamHeaders({ request, provider, credential, betas, json: request.body !== undefined || request.bytes.length === 0, foreign: false }),
    body,
    model,
    cacheTtl,
    context1m,
    specialSettings,
  };
}

function usesContext1m(request: ProxyRequest, provider: Provider, model: string | undefined): boolean {
  if (provider.context1m === 'disabled' || model === undefined || !hasContext1m(model)) return false;
  return provider.context1m === 'force_enable' || wantsContext1m(request);
}

function preparedBody(
  request: ProxyRequest,
  provider: Provider,
  { model, cacheTtl, outputCap }: { model: string | undefined; cacheTtl: CacheTtl | undefined; outputCap: number | undefined },
  specialSettings: JsonObject[],
): Buffer | undefined {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const original = request.body;
  if (original === undefined) return request.bytes;
  let body = original;
  if (cacheTtl !== undefined) body = withCacheTtl(body, cacheTtl);
  if (model !== request.model && typeof body['model'] === 'string') body = { ...body, model };
  if (provider.type === 'codex' && request.format === 'response') body = codexBody(body, request, provider, specialSettings);
  if (outputCap !== undefined) {
    specialSettings.push({ type: 'budget_output_cap', before: maxOutputOf(body) ?? null, after: outputCap });
    body = withOutputCap(body, request.dialect, outputCap);
  }
  if (provider.type !== 'gemini' && provider.type !== 'gemini-cli' && mayHavePrivateKeys(request.bytes)) {
    const cleaned = withoutPrivateKeys(body);
    if (isRecord(cleaned)) body = cleaned;
  }
  return body === original ? request.bytes : Buffer.from(JSON.stringify(body));
}

function codexBody(body: JsonObject, request: ProxyRequest, provider: Provider, specialSettings: JsonObject[]): JsonObject {
  const sanitized = isOfficialCodex(request.userAgent) ? body : sanitizedForCodex(body);
  const preferred = withCodexPreferences(sanitized, provider);
  if (preferred === undefined) return sanitized;
  specialSettings.push({
    type: 'provider_parameter_override',
    scope: 'provider',
    providerId: provider.id,
    providerName: provider.name,
    providerType: provider.type,
    hit: true,
    changed: preferred.changes.some((change) => change.changed),
    changes: preferred.changes,
  });
  return preferred.body;
}
