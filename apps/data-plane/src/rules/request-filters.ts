import type { Provider, RequestFilter, Snapshot } from '@hub/contract';
import { isRecord, type JsonObject } from '../request/json.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';
import { compileRegex } from './linear-regex.ts';

/**
 * Request filters (contract F2): what admins change in requests, for all providers or for some. Applied anew for every
 * candidate, to a copy: what one provider's filters did, the next one never sees. A filter that cannot be applied is left
 * out, never an obstacle.
 */
export function filtered(request: ProxyRequest, provider: Provider, snapshot: Snapshot): ProxyRequest {
  const filters = filtersFor(snapshot, provider);
  if (filters.length === 0) return request;
  const headers: Record<string, string | readonly string[] | undefined> = { ...request.headers };
  let body = request.body;
  for (const filter of filters) {
    if (filter.scope === 'header') applyHeader(headers, filter);
    else if (body !== undefined) body = applyBody(body, filter);
  }
  if (body === request.body) return { ...request, headers };
  return { ...request, headers, body, bytes: Buffer.from(JSON.stringify(body)) };
}

const sortedFilters = new WeakMap<Snapshot['requestFilters'], readonly RequestFilter[]>();

/** Global ones first, then those bound to the provider or one of its groups; within each by priority, then id. */
function filtersFor({ requestFilters }: Snapshot, provider: Provider): readonly RequestFilter[] {
  if (requestFilters.size === 0) return [];
  let sorted = sortedFilters.get(requestFilters);
  if (sorted === undefined) {
    const rank = (filter: RequestFilter) => (filter.binding === 'global' ? 0 : 1);
    sorted = [...requestFilters.values()].sort((left, right) => rank(left) - rank(right) || left.priority - right.priority || left.id - right.id);
    sortedFilters.set(requestFilters, sorted);
  }
  return sorted.filter((filter) => concerns(filter, provider));
}

function concerns(filter: RequestFilter, provider: Provider): boolean {
  if (filter.binding === 'global') return true;
  if (filter.binding === 'providers') return filter.providerIds.has(provider.id);
  // A provider without a tag belongs to "default" for callers, but no filter can name it by that.
  return provider.groupTag !== null && [...provider.groups].some((group) => filter.groupTags.has(group));
}

function applyHeader(headers: Record<string, string | readonly string[] | undefined>, filter: RequestFilter): void {
  const name = filter.target.toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return;
  if (filter.action === 'remove') delete headers[name];
  else if (filter.action === 'set') headers[name] = headerText(filter.replacement);
}

function headerText(value: unknown): string {
  const text = typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);
  // A line break would begin another header.
  return text.replace(/[\r\n\0]+/g, ' ');
}

function applyBody(body: JsonObject, filter: RequestFilter): JsonObject {
  if (filter.action === 'json_path') {
    const changed = withPath(body, parsePath(filter.target), filter.replacement ?? null);
    return isRecord(changed) ? changed : body;
  }
  if (filter.action !== 'text_replace') return body;
  const replace = replacer(filter);
  if (replace === undefined) return body;
  const changed = mapStrings(body, replace);
  return isRecord(changed) ? changed : body;
}

type PathStep = string | number;
/** Names that reach behind an object instead of into it. */
const forbidden = new Set(['__proto__', 'constructor', 'prototype']);

/** "a.b[0].c" → steps; undefined for what is no such path. */
export function parsePath(path: string): readonly PathStep[] | undefined {
  const steps: PathStep[] = [];
  for (const part of path.split('.')) {
    const match = /^([^[\]]*)((?:\[\d+\])*)$/.exec(part);
    if (match === null || (match[1] === '' && match[2] === '')) return undefined;
    if (match[1] !== undefined && match[1] !== '') steps.push(match[1]);
    for (const [, index] of (match[2] ?? '').matchAll(/\[(\d+)\]/g)) steps.push(Number(index));
  }
  return steps.some((step) => typeof step === 'string' && forbidden.has(step)) ? undefined : steps;
}

/** Arrays are not stretched beyond this by a filter's index. */
const longestArray = 10_000;

function withPath(value: unknown, steps: readonly PathStep[] | undefined, replacement: unknown): unknown {
  if (steps === undefined) return value;
  const [step, ...rest] = steps;
  if (step === undefined) return replacement;
  if (typeof step === 'number') {
    if (step > longestArray) return value;
    const list: unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [];
    while (list.length < step) list.push(null);
    list[step] = withPath(list[step], rest, replacement);
    return list;
  }
  const object = isRecord(value) ? value : {};
  return { ...object, [step]: withPath(object[step], rest, replacement) };
}

function replacer({ target, matchType, replacement }: RequestFilter): ((text: string) => string) | undefined {
  const text = typeof replacement === 'string' ? replacement : replacement === null || replacement === undefined ? '' : JSON.stringify(replacement);
  if (target === '') return undefined;
  switch (matchType) {
    case 'contains':
      return (value) => value.replaceAll(target, () => text);
    case 'exact':
      return (value) => (value === target ? text : value);
    case 'regex': {
      const regex = compileRegex(target, false);
      return regex === undefined ? undefined : (value) => regex.replaceAll(value, text);
    }
  }
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return (value as unknown[]).map((item) => mapStrings(item, change));
  if (!isRecord(value)) return value;
  const out: JsonObject = {};
  for (const [name, item] of Object.entries(value)) out[name] = mapStrings(item, change);
  return out;
}
