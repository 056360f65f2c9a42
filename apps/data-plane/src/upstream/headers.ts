import type { Provider } from '@hub/contract';
import type { RequestHeaders } from '../exchange.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';

/** What an upstream gets to see of the client's headers, and what it gets from us (contract C5.3). */

/** Never passed on: credentials, what belongs to the connection, and what would tell where the client sits. */
const dropped = new Set([
  'authorization', 'x-api-key', 'x-goog-api-key', 'proxy-authorization', 'proxy-authenticate', 'cookie',
  'host', 'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect',
  'content-length', 'content-encoding', 'accept-encoding', 'content-type', 'user-agent',
  'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'forwarded',
  'cf-connecting-ip', 'cf-ipcountry', 'cf-ray', 'cf-visitor', 'x-azure-fdid', 'x-azure-ref', 'akamai-origin-hop',
  'x-akamai-config-log-detail', 'x-request-id', 'x-correlation-id', 'x-trace-id', 'x-amzn-trace-id',
  'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'traceparent', 'tracestate',
]);

/** Passed on only with preserve_client_ip. */
const addressHeaders = new Set([
  'x-forwarded-for', 'x-real-ip', 'x-client-ip', 'x-originating-ip', 'x-remote-ip', 'x-remote-addr',
  'true-client-ip', 'x-cluster-client-ip', 'fastly-client-ip', 'x-azure-clientip',
]);

/** Codex's back end insists on a client that it knows. */
const codexUserAgent = 'codex_cli_rs/0.55.0 (Mac OS 26.1.0; arm64) vscode/2.0.64';

/** How a provider is told who we are. */
export type Credential =
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'bearer+x-api-key'; readonly token: string }
  | { readonly kind: 'x-goog-api-key'; readonly token: string };

export interface HeaderInput {
  readonly request: ProxyRequest;
  readonly provider: Provider;
  readonly credential: Credential;
  /** Values to add to anthropic-beta. */
  readonly betas: readonly string[];
  /** The body is JSON that we may have written anew; else the client's own type stands. */
  readonly json: boolean;
  /** Converted requests carry none of the client dialect's own headers. */
  readonly foreign: boolean;
}

/** @returns name, value, name, value … as undici takes them; host and content-length are its own affair */
export function upstreamHeaders(input: HeaderInput): string[] {
  const { request, provider } = input;
  const named = connectionTokens(request.headers);
  const out: string[] = [];
  for (const name of Object.keys(request.headers)) {
    if (dropped.has(name) || named?.has(name) === true || addressHeaders.has(name)) continue;
    if (name === 'anthropic-beta' || (input.foreign && isVendorHeader(name))) continue;
    const value = request.headers[name];
    if (value !== undefined) out.push(name, typeof value === 'string' ? value : value.join(', '));
  }
  if (provider.preserveClientIp) pushAddress(request, out);
  const beta = betaHeader(input.foreign ? undefined : request.headers['anthropic-beta'], input.betas);
  if (beta !== undefined) out.push('anthropic-beta', beta);
  pushCredential(input.credential, out);
  const type = request.headers['content-type'];
  out.push('content-type', input.json || typeof type !== 'string' ? 'application/json' : type);
  out.push('accept-encoding', 'identity');
  const userAgent = userAgentFor(provider, request.userAgent);
  if (userAgent !== undefined) out.push('user-agent', userAgent);
  if (provider.type === 'gemini-cli') out.push('x-goog-api-client', 'GeminiCLI/1.0');
  return out;
}

function isVendorHeader(name: string): boolean {
  return name.startsWith('anthropic-') || name.startsWith('openai-') || name.startsWith('x-goog-') || name.startsWith('x-codex-');
}

/** RFC 9110, 7.6.1: what `Connection` names belongs to the connection too. */
function connectionTokens(headers: RequestHeaders): Set<string> | undefined {
  const value = headers['connection'];
  if (typeof value !== 'string' || value === 'keep-alive' || value === 'close') return undefined;
  return new Set(value.toLowerCase().split(',').map((token) => token.trim()));
}

function pushAddress(request: ProxyRequest, out: string[]): void {
  for (const name of addressHeaders) {
    const value = request.headers[name];
    if (typeof value === 'string' && name !== 'x-forwarded-for' && name !== 'x-real-ip') out.push(name, value);
  }
  const forwarded = request.headers['x-forwarded-for'];
  const list = typeof forwarded === 'string' ? forwarded.split(',').map((entry) => entry.trim()).filter((entry) => entry !== '') : [];
  out.push('x-forwarded-for', list.length > 0 ? list.join(', ') : request.clientAddress);
  out.push('x-real-ip', request.clientAddress);
}

function betaHeader(own: RequestHeaders[string], added: readonly string[]): string | undefined {
  const text = typeof own === 'string' ? own : (own?.join(',') ?? '');
  if (added.length === 0) return text === '' ? undefined : text;
  const values = text.split(',').map((value) => value.trim()).filter((value) => value !== '');
  for (const value of added) if (!values.includes(value)) values.push(value);
  return values.join(', ');
}

function pushCredential(credential: Credential, out: string[]): void {
  if (credential.kind === 'x-goog-api-key') {
    out.push('x-goog-api-key', credential.token);
    return;
  }
  out.push('authorization', `Bearer ${credential.token}`);
  if (credential.kind === 'bearer+x-api-key') out.push('x-api-key', credential.token);
}

function userAgentFor(provider: Provider, own: string | undefined): string | undefined {
  if (own !== undefined) return own;
  if (provider.type === 'codex') return codexUserAgent;
  return provider.type === 'gemini' || provider.type === 'gemini-cli' ? 'claude-code-hub' : undefined;
}

/** Belongs to the upstream's connection, tells of its insides, or is another party's business. */
const droppedFromAnswer = new Set([
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer',
  'transfer-encoding', 'upgrade', 'set-cookie', 'set-cookie2', 'alt-svc', 'server', 'via', 'date', 'strict-transport-security',
  'access-control-allow-origin', 'access-control-allow-credentials', 'access-control-allow-methods',
  'access-control-allow-headers', 'access-control-expose-headers', 'access-control-max-age',
]);

/**
 * The upstream's headers that the client gets. Lengths and encodings go when the body is decoded or may be ended by us;
 * the account's own rate limits (anthropic-ratelimit-*, x-ratelimit-*) are not the caller's.
 */
export function clientHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  keepLength: boolean,
): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined || droppedFromAnswer.has(name)) continue;
    if (name.startsWith('anthropic-ratelimit-') || name.startsWith('x-ratelimit-')) continue;
    if (!keepLength && (name === 'content-length' || name === 'content-encoding')) continue;
    out[name] = value;
  }
  return out;
}
