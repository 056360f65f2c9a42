import type { UsageRecord } from '@hub/contract';
import { compareJson, type Recording } from '@hub/testkit';
import { type ChainItem, chainOf } from './recording.ts';
import type { Answer, Played } from './replay.ts';
import type { World } from './scenario.ts';
import { clientLeft, eventsOf } from './upstream.ts';

/** How a replay differs from its recording: one line per field, beginning with the path. None = the same. */
export function differencesOf(recording: Recording, played: Played): string[] {
  return compareJson(expectedOf(recording), actualOf(recording, played), { varying, ignored: ignoredIn(recording) });
}

type Json = Record<string, unknown>;

/** Times, ids and what is computed from them. */
const varying = [
  'answer.headers.x-ratelimit-reset', 'answer.headers.retry-after', 'answer.body.error.reset_time', 'answer.body.data.*.created',
  'answer.body.data.*.created_at', 'answer.body.id', 'rows.*.ttfb', 'rows.*.special_settings.*.providerId',
];

function ignoredIn(recording: Recording): string[] {
  const ignored = [];
  // The hub's own sentences are its own; what an upstream or an error rule says is not ours to change.
  const said = JSON.stringify(recording.response.body ?? '');
  const others = said.includes('fake upstream') || chainOf(recording).at(-1)?.reason === 'client_error_non_retryable';
  if (recording.response.status >= 400 && !others) ignored.push('answer.body.error.message');
  if (recording.db?.[0]?.['blocked_by'] === 'warmup') ignored.push('answer.body.content.0.text');
  // How many requests came before in the session that v0.3.42 gave to all programs of one address.
  if (String(recording.db?.[0]?.['session_id']).startsWith('sess_')) ignored.push('rows.0.request_sequence');
  // How often a provider that is shared by several recordings had failed before.
  for (const [index, item] of chainOf(recording).entries()) {
    if (item.circuitFailureThreshold === 0) ignored.push(`rows.0.chain.${index}.circuitFailureCount`);
  }
  // A key that sees every provider saw those of all other recordings too.
  if (chainOf(recording)[0]?.decisionContext?.userGroup === '*') ignored.push('rows.0.chain.0.decision');
  return ignored;
}

function expectedOf(recording: Recording): Json {
  const { response, upstream = [], db = [] } = recording;
  return {
    answer: {
      status: response.status,
      headers: answerHeaders(response.headers),
      body: shown(response.body, response.headers['content-type']),
      cut: 'error' in response && !clientLeft(recording),
    },
    upstream: inOrder(upstream.map(({ method, url, rawHeaders, body }) => ({ method, url, headers: requestHeaders(rawHeaders), body: body ?? '' }))),
    rows: db.map((row) => expectedRow(row)),
  };
}

function actualOf(recording: Recording, { answer, upstream, records, world }: Played): Json {
  return {
    answer: { status: answer.status, headers: answerHeaders(answer.headers), body: shown(bodyOf(answer, recording), answer.headers['content-type']), cut: answer.cut },
    upstream: inOrder(upstream.map(({ method, url, rawHeaders, json, text }) => ({ method, url, headers: requestHeaders(rawHeaders), body: json ?? text }))),
    rows: records.map((record) => actualRow(record, world)),
  };
}

/** Lists of models are asked for at the same time, so that their order says nothing. */
function inOrder<T extends { readonly method: string; readonly url: string; readonly headers: Json }>(requests: readonly T[]): T[] {
  const lists = requests.every(({ method, url }) => method === 'GET' && url.endsWith('/models'));
  const rank = ({ headers }: T) => String(headers['authorization'] ?? headers['x-goog-api-key'] ?? headers['x-api-key']);
  return lists ? requests.toSorted((left, right) => (rank(left) < rank(right) ? -1 : 1)) : [...requests];
}

/** In the recording's way: text of streams, parsed JSON, bytes as `$base64`. */
function bodyOf({ body, headers }: Answer, { response }: Recording): unknown {
  const text = body.toString('utf8');
  if (typeof response.body === 'object' && response.body !== null && '$base64' in response.body && headers['content-encoding'] !== undefined) {
    return { $base64: body.toString('base64') };
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** A stream event by event, everything else as it is. */
function shown(body: unknown, contentType: unknown): unknown {
  if (typeof body !== 'string' || !String(contentType).includes('event-stream')) return body ?? '';
  return eventsOf(body).map((event) => {
    const lines = event.trimEnd().split(/\r?\n/);
    const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n');
    const name = lines.find((line) => line.startsWith('event:'))?.slice(6).trim() ?? '';
    return { event: name, data: data.startsWith('{') ? (JSON.parse(data) as unknown) : data };
  });
}

/** What belongs to a connection, to the recorder's web framework or to its fake provider. */
const notCompared = new Set(['vary', 'connection', 'keep-alive', 'date', 'transfer-encoding', 'content-length', 'x-fake-upstream', 'host']);

function answerHeaders(headers: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !notCompared.has(name)));
}

function requestHeaders(raw: readonly string[]): Json {
  const pairs = raw.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1]] as const] : []));
  return Object.fromEntries(pairs.filter(([name]) => !notCompared.has(name)));
}

function expectedRow(row: Json): Json {
  const chain = (row['provider_chain'] ?? []) as readonly ChainItem[];
  const failed = String(row['error_message'] ?? '');
  return {
    provider: chain.find((item) => item.id === row['provider_id'])?.name ?? '',
    model: row['model'],
    original_model: row['original_model'],
    endpoint: row['endpoint'],
    session_id: sessionShape(row['session_id']),
    request_sequence: row['request_sequence'],
    status_code: row['status_code'],
    input_tokens: row['input_tokens'],
    output_tokens: row['output_tokens'],
    ...cacheTokens(row),
    cache_ttl_applied: row['cache_ttl_applied'],
    cost_usd: row['cost_usd'],
    cost_multiplier: row['cost_multiplier'],
    user_agent: row['user_agent'],
    messages_count: row['messages_count'],
    context_1m_applied: row['context_1m_applied'],
    blocked_by: row['blocked_by'],
    special_settings: row['special_settings'],
    error: errorShape(failed),
    ttfb: row['ttfb_ms'],
    chain: chain.map(chainShape),
  };
}

/** As the control plane writes it into message_request. */
function actualRow(record: UsageRecord, { providerNames }: World): Json {
  const { usage } = record;
  const number = (value: bigint | undefined) => (value === undefined ? null : Number(value));
  const chain = (record.providerChainJson === '' ? [] : JSON.parse(record.providerChainJson)) as readonly ChainItem[];
  return {
    provider: providerNames.get(record.providerId) ?? '',
    model: record.model || null,
    original_model: record.originalModel || null,
    endpoint: record.endpoint,
    session_id: sessionShape(record.sessionId),
    request_sequence: record.requestSequence,
    status_code: record.statusCode,
    input_tokens: number(usage?.input),
    output_tokens: number(usage?.output),
    cache_creation_input_tokens: usage === undefined ? 0 : Number(usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit),
    cache_read_input_tokens: Number(usage?.cacheRead ?? 0n),
    cache_creation_5m_input_tokens: Number(usage?.cacheWrite5m ?? 0n),
    cache_creation_1h_input_tokens: Number(usage?.cacheWrite1h ?? 0n),
    cache_ttl_applied: record.cacheTtlApplied || null,
    cost_usd: record.costUsd === undefined ? null : Number(record.costUsd),
    cost_multiplier: record.costMultiplier === '' ? null : Number(record.costMultiplier),
    user_agent: record.userAgent || null,
    // Whoever is refused for a word has sent no messages.
    messages_count: record.blockedBy === 'sensitive_word' ? null : record.messagesCount,
    context_1m_applied: record.context1mApplied,
    blocked_by: record.blockedBy || null,
    special_settings: record.specialSettingsJson === '' ? null : JSON.parse(record.specialSettingsJson),
    error: errorShape(record.errorMessage),
    ttfb: record.ttfbMs ?? null,
    chain: chain.map(chainShape),
  };
}

/** Nothing cached is null in some dialects and 0 in others; both count nothing. */
function cacheTokens(row: Json): Json {
  const names = ['cache_creation_input_tokens', 'cache_read_input_tokens', 'cache_creation_5m_input_tokens', 'cache_creation_1h_input_tokens'];
  return Object.fromEntries(names.map((name) => [name, row[name] ?? 0]));
}

/** Ids that the hub derives differ from run to run; those of clients are kept. */
function sessionShape(id: unknown): unknown {
  return String(id).startsWith('sess_') ? 'sess_…' : id;
}

/** "Provider <name> returned <status>" is read by programs; the rest is a sentence. */
function errorShape(text: string): string | null {
  return text === '' ? null : (/^Provider \S+ returned \d+/.exec(text)?.[0] ?? 'a sentence');
}

/** Without ids, times and sentences. */
function chainShape(item: ChainItem): Json {
  const { id: _id, decisionContext, errorDetails, ...fields } = item;
  const { timestamp: _timestamp, errorMessage: _errorMessage, ...rest } = fields as Json;
  return { ...rest, decision: decisionContext === undefined ? undefined : decisionShape(decisionContext), failed: errorDetails === undefined ? undefined : failedShape(errorDetails) };
}

function decisionShape(context: NonNullable<ChainItem['decisionContext']>): Json {
  const { sessionId: _sessionId, filteredProviders, candidatesAtPriority, ...rest } = context as Json;
  const filtered = (filteredProviders ?? []) as readonly { name: string; reason: string }[];
  const candidates = (candidatesAtPriority ?? []) as readonly Json[];
  return {
    ...rest,
    filtered: Object.fromEntries(filtered.map(({ name, reason }) => [name, reason])),
    candidates: candidates.map(({ id: _id, ...candidate }) => candidate),
  };
}

function failedShape(details: NonNullable<ChainItem['errorDetails']>): Json {
  const { provider, system, matchedRule } = details as { provider?: Json; system?: Json; matchedRule?: Json };
  return {
    provider: provider === undefined ? undefined : { name: provider['name'], statusCode: provider['statusCode'], upstreamBody: provider['upstreamBody'] },
    system: system === undefined ? undefined : { errorCode: system['errorCode'] },
    matchedRule,
  };
}

