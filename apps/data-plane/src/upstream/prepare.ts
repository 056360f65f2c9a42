import type { CacheTtl, Provider } from '@hub/contract';
import type { Caller } from '../authenticate.ts';
import { maxOutputOf, withOutputCap } from '../budget.ts';
import { redirected } from '../model-redirect.ts';
import { isRecord, type JsonObject } from '../request/json.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';
import type { ClientFormat } from '../routes.ts';
import {
  hasContext1m,
  isOfficialCodex,
  mayHavePrivateKeys,
  sanitizedForCodex,
  withCacheTtl,
  withCodexPreferences,
  withoutPrivateKeys,
} from './body.ts';
import { type Conversion, conversionNote, convertFor, isForeign, withoutOwnSeals } from './convert.ts';
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
  /** Set if the provider speaks another dialect than the client. */
  readonly conversion: Conversion | undefined;
  /** We asked for a piece of the stream that the client did not ask for. */
  readonly hideUsage: boolean;
}

const context1mBeta = 'context-1m-2025-08-07';

/** Whether the client's anthropic-beta asks for the 1M context. */
export function wantsContext1m(request: ProxyRequest): boolean {
  const beta = request.headers['anthropic-beta'];
  const text = typeof beta === 'string' ? beta : (beta?.join(',') ?? '');
  return text.includes('context-1m-');
}

export interface PrepareOptions {
  readonly credential: Credential;
  /** Hard budgets: how much the answer may have at most. Tokens. */
  readonly outputCap: number | undefined;
  /** The provider answered this conversation before. */
  readonly sameProvider: boolean;
}

/**
 * Contract C5.1 to C5.3. The client's own bytes are sent if nothing has to change.
 * @throws HubFault 400 if the request cannot be said in the provider's dialect
 */
export function prepareRequest(request: ProxyRequest, caller: Caller, provider: Provider, options: PrepareOptions): PreparedRequest {
  const anthropic = provider.type === 'claude' || provider.type === 'claude-auth';
  const model = redirected(request.model, provider);
  const foreign = request.operation === 'generate' && request.body !== undefined && isForeign(request.format, provider);
  const conversion = foreign ? convertFor(request, provider, model ?? '', options.sameProvider) : undefined;
  const cacheTtl = anthropic ? (caller.key.cacheTtl ?? provider.cacheTtl) : undefined;
  const context1m = anthropic && usesContext1m(request, provider, model);
  const specialSettings: JsonObject[] = conversion === undefined ? [] : [conversionNote(conversion)];
  const hideUsage = conversion === undefined && needsUsageAsked(request);
  const body = preparedBody(request, provider, { model, cacheTtl, outputCap: options.outputCap, conversion, hideUsage }, specialSettings);
  const betas: string[] = [];
  if (cacheTtl === '1h') betas.push('extended-cache-ttl-2025-04-11');
  if (context1m) betas.push(context1mBeta);
  if (cacheTtl === '1h' && (foreign || request.headers['anthropic-beta'] === undefined)) betas.push('prompt-caching-2024-07-31');
  const headers = upstreamHeaders({
    request,
    provider,
    credential: options.credential,
    betas,
    json: request.body !== undefined || request.bytes.length === 0,
    foreign,
  });
  for (const [name, value] of Object.entries(conversion?.headers ?? {})) headers.push(name, value);
  return { method: request.method, target: targetFor(request, provider, model, conversion), headers, body, model, cacheTtl, context1m, specialSettings, conversion, hideUsage };
}

function targetFor(request: ProxyRequest, provider: Provider, model: string | undefined, conversion: Conversion | undefined): Target {
  if (conversion !== undefined) {
    const [path = '', search] = conversion.path.split('?');
    return targetOf(provider, path, search === undefined ? '' : `?${search}`);
  }
  const path = pathOfBody(request);
  return targetOf(provider, model !== undefined && model !== request.model ? pathWithModel(path, model) : path, request.search);
}

const chatPaths: Partial<Record<ClientFormat, string>> = { openai: '/v1/chat/completions', response: '/v1/responses' };

/** On these two paths the body says which of them is meant (contract C1.3), and only there does an upstream understand it. */
function pathOfBody({ path, format }: ProxyRequest): string {
  const lower = path.toLowerCase();
  const own = chatPaths[format];
  return own !== undefined && own !== lower && Object.values(chatPaths).includes(lower) ? own : path;
}

/** Chat Completions say what a stream cost only if asked; we ask, and keep the answer to ourselves. */
function needsUsageAsked(request: ProxyRequest): boolean {
  if (request.format !== 'openai' || request.operation !== 'generate' || !request.streaming) return false;
  const options = request.body?.['stream_options'];
  return !isRecord(options) || options['include_usage'] !== true;
}

function usesContext1m(request: ProxyRequest, provider: Provider, model: string | undefined): boolean {
  if (provider.context1m === 'disabled' || model === undefined || !hasContext1m(model)) return false;
  return provider.context1m === 'force_enable' || wantsContext1m(request);
}

interface BodyOptions {
  readonly model: string | undefined;
  readonly cacheTtl: CacheTtl | undefined;
  readonly outputCap: number | undefined;
  readonly conversion: Conversion | undefined;
  readonly hideUsage: boolean;
}

function preparedBody(request: ProxyRequest, provider: Provider, options: BodyOptions, specialSettings: JsonObject[]): Buffer | undefined {
  const { model, cacheTtl, outputCap, conversion, hideUsage } = options;
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const original = request.body;
  if (original === undefined) return request.bytes;
  let body = conversion?.body ?? withoutOwnSeals(request, original);
  if (cacheTtl !== undefined) body = withCacheTtl(body, cacheTtl);
  if (conversion === undefined && model !== request.model && typeof body['model'] === 'string') body = { ...body, model };
  if (provider.type === 'codex' && (conversion !== undefined || request.format === 'response')) body = codexBody(body, request, provider, specialSettings);
  if (hideUsage) body = askingForUsage(body);
  if (outputCap !== undefined) {
    const dialect = conversion?.upstream ?? request.dialect;
    specialSettings.push({ type: 'budget_output_cap', before: maxOutputOf(body, dialect) ?? null, after: outputCap });
    body = withOutputCap(body, dialect, outputCap);
  }
  body = withoutNotes(body, request, provider);
  return body === original ? request.bytes : Buffer.from(JSON.stringify(body));
}

/** Gemini's own fields may begin with "_". */
function withoutNotes(body: JsonObject, request: ProxyRequest, provider: Provider): JsonObject {
  if (provider.type === 'gemini' || provider.type === 'gemini-cli' || !mayHavePrivateKeys(request.bytes)) return body;
  const cleaned = withoutPrivateKeys(body);
  return isRecord(cleaned) ? cleaned : body;
}

function askingForUsage(body: JsonObject): JsonObject {
  const options = body['stream_options'];
  return { ...body, stream_options: { ...(isRecord(options) ? options : {}), include_usage: true } };
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
