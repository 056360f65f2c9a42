import type { Provider } from '@hub/contract';
import { isRecord, type JsonObject } from '../request/json.ts';

/** Changes of a request body for one provider, each on a copy of just the parts that differ (contract C5.1). */

/** Everything that begins with "_" is the client's or a relay's private note. */
export function withoutPrivateKeys(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(withoutPrivateKeys);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  if (!isRecord(value)) return value;
  let changed = false;
  const out: JsonObject = {};
  for (const [name, item] of Object.entries(value)) {
    if (name.startsWith('_')) {
      changed = true;
      continue;
    }
    const cleaned = withoutPrivateKeys(item);
    if (cleaned !== item) changed = true;
    out[name] = cleaned;
  }
  return changed ? out : value;
}

const privateKeyMark = Buffer.from('"_');

/** Whether the text can hold a private key at all: one scan instead of a walk. */
export function mayHavePrivateKeys(bytes: Buffer): boolean {
  return bytes.includes(privateKeyMark);
}

/** Sets the lifetime of every cache breakpoint in the messages. */
export function withCacheTtl(body: JsonObject, ttl: string): JsonObject {
  const messages = body['messages'];
  if (!Array.isArray(messages)) return body;
  let changed = false;
  const next = messages.map((message: unknown) => {
    if (!isRecord(message) || !Array.isArray(message['content'])) return message;
    const content = message['content'].map((block: unknown) => {
      const cache = isRecord(block) ? block['cache_control'] : undefined;
      if (!isRecord(block) || !isRecord(cache) || cache['type'] !== 'ephemeral' || cache['ttl'] === ttl) return block;
      changed = true;
      return { ...block, cache_control: { ...cache, ttl } };
    });
    return { ...message, content };
  });
  return changed ? { ...body, messages: next } : body;
}

/** Which Claude models have the 1M context (contract C5.1 step 2). */
export function hasContext1m(model: string): boolean {
  return /^claude-sonnet-4(-5)?(-|$)/.test(model);
}

const officialCodex = /^(codex_vscode|codex_cli_rs)\/[\d.]+/;
/** codex_exec, codex-tui …: what the official client calls itself since it was split. */
const officialCodexToday = /^codex[_-][a-z]+\/\d[\d.]*/;
/** Codex's back end refuses requests that have these. */
const refusedByCodex = [
  'max_tokens', 'max_output_tokens', 'max_completion_tokens', 'temperature', 'top_p', 'frequency_penalty', 'presence_penalty',
  'logprobs', 'top_logprobs', 'n', 'stop', 'response_format',
];

export function isOfficialCodex(userAgent: string | undefined): boolean {
  return userAgent !== undefined && (officialCodex.test(userAgent) || officialCodexToday.test(userAgent));
}

/** Makes a request of an unofficial client one that Codex's back end takes. */
export function sanitizedForCodex(body: JsonObject): JsonObject {
  const out = { ...body };
  for (const field of refusedByCodex) delete out[field];
  out['store'] = false;
  if (typeof out['parallel_tool_calls'] !== 'boolean') out['parallel_tool_calls'] = true;
  return out;
}

export interface ParameterChange {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly changed: boolean;
}

/** Applies a provider's own choices of reasoning, verbosity and parallel tools, and says what they did. */
export function withCodexPreferences(body: JsonObject, { codex }: Provider): { body: JsonObject; changes: ParameterChange[] } | undefined {
  const wanted: [path: string, value: unknown][] = [
    ['parallel_tool_calls', codex.parallelToolCalls],
    ['reasoning.effort', codex.reasoningEffort],
    ['reasoning.summary', codex.reasoningSummary],
    ['text.verbosity', codex.textVerbosity],
  ];
  if (wanted.every(([, value]) => value === undefined)) return undefined;
  const out = { ...body };
  const changes = wanted.map(([path, value]): ParameterChange => {
    const [parent = '', child] = path.split('.');
    const before = (child === undefined ? out[parent] : isRecord(out[parent]) ? out[parent][child] : undefined) ?? null;
    if (value === undefined) return { path, before, after: before, changed: false };
    out[parent] = child === undefined ? value : { ...(isRecord(out[parent]) ? out[parent] : {}), [child]: value };
    return { path, before, after: value, changed: before !== value };
  });
  return { body: out, changes };
}
