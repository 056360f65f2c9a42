import type { Provider } from '@hub/contract';

/** Where a request goes (contract C5.2). */

const completeEndings = ['/responses', '/messages', '/chat/completions', '/models'];
const knownPaths = new Set(['/v1/messages', '/v1/messages/count_tokens', '/v1/responses', '/v1/chat/completions', '/v1/models']);

export interface Target {
  /** scheme://host:port */
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
}

/**
 * A provider URL that already ends in an endpoint is used as it is; else the request's path is put behind it. A base that
 * ends in the version ("…/v1") does not get it twice. The query is the client's, without `key`, which would be a hub key.
 *
 * @param path   request path, after model redirect or conversion
 * @param search "" or "?…"
 */
export function targetOf(provider: Provider, path: string, search: string): Target {
  const known = knownPaths.has(path.toLowerCase()) || /^\/v1(?:beta|internal)?(?:\/models\/|:)/i.test(path);
  const base = known ? provider.url : (provider.passthroughUrl ?? provider.url);
  const basePath = base.pathname.replace(/\/+$/, '');
  const query = withoutKey(search) || base.search;
  return { origin: base.origin, path: joinPaths(basePath, path) + query };
}

function joinPaths(basePath: string, path: string): string {
  if (completeEndings.some((ending) => basePath.endsWith(ending))) return basePath;
  const version = /\/(v1|v1beta|v1internal)$/.exec(basePath)?.[1];
  if (version !== undefined && path.startsWith(`/${version}/`)) return basePath + path.slice(version.length + 1);
  return basePath + path;
}

function withoutKey(search: string): string {
  // "%6bey=…" is the same parameter.
  if (!search.includes('key=') && !search.includes('%')) return search;
  const kept = search.slice(1).split('&').filter((pair) => pair !== '' && !/^key(=|$)/.test(decodeName(pair)));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

function decodeName(pair: string): string {
  try {
    return decodeURIComponent(pair);
  } catch {
    return pair;
  }
}

/** Puts another model into a Gemini path. */
export function pathWithModel(path: string, model: string): string {
  return path.replace(/(\/models\/)[^/:]+/i, (_match, prefix: string) => prefix + encodeURIComponent(model));
}
