import { createHash } from 'node:crypto';
import type { Caller } from '../authenticate.ts';
import { header } from '../exchange.ts';
import { isRecord, type JsonObject } from './json.ts';
import { conversationOf, type ProxyRequest } from './proxy-request.ts';

/** Which conversation a request belongs to. */
export interface SessionId {
  /** At most 64 characters (the width of message_request.session_id). */
  readonly id: string;
  /** "client": the client named it; "derived": worked out by us. */
  readonly source: 'client' | 'derived';
}

const maxLength = 64;

/**
 * Contract C2.7, with the ids of today's clients added: Codex says `session-id`, Claude Code `x-claude-code-session-id`
 * and a JSON text in metadata.user_id. A client that names nothing (Gemini CLI) is known by caller, address, program and
 * the first thing that its user said, which stays the same while a conversation grows.
 */
export function sessionIdOf(request: ProxyRequest, caller: Caller): SessionId {
  const named = request.format === 'response' ? codexSession(request) : otherSession(request);
  if (named !== undefined) return { id: fit(named), source: 'client' };
  const seed = [caller.key.id, request.userAgent ?? '', request.clientAddress, firstUserText(request.body)].join('\u0000');
  return { id: `sess_${digest(seed)}`, source: 'derived' };
}

function codexSession(request: ProxyRequest): string | undefined {
  const { body, headers } = request;
  const metadata = body?.['metadata'];
  const previous = body?.['previous_response_id'];
  const candidates = [
    header(headers, 'session_id'),
    header(headers, 'session-id'),
    header(headers, 'x-session-id'),
    body?.['prompt_cache_key'],
    isRecord(metadata) ? metadata['session_id'] : undefined,
    typeof previous === 'string' ? `codex_prev_${previous}` : undefined,
  ];
  return candidates.find((value): value is string => typeof value === 'string' && /^[A-Za-z0-9_\-.:]{21,256}$/.test(value));
}

function otherSession(request: ProxyRequest): string | undefined {
  const metadata = request.body?.['metadata'];
  const fromMetadata = isRecord(metadata) ? (sessionInUserId(metadata['user_id']) ?? metadata['session_id']) : undefined;
  if (typeof fromMetadata === 'string' && fromMetadata !== '') return fromMetadata;
  return header(request.headers, 'x-claude-code-session-id') || header(request.headers, 'x-session-id') || undefined;
}

/** `user_…_account_…_session_<id>` or `{"session_id":"<id>",…}`. */
function sessionInUserId(userId: unknown): string | undefined {
  if (typeof userId !== 'string') return undefined;
  if (userId.startsWith('{')) {
    try {
      const parsed: unknown = JSON.parse(userId);
      const id = isRecord(parsed) ? parsed['session_id'] : undefined;
      return typeof id === 'string' && id !== '' ? id : undefined;
    } catch {
      return undefined;
    }
  }
  const marker = '_session_';
  const at = userId.indexOf(marker);
  return at < 0 ? undefined : userId.slice(at + marker.length) || undefined;
}

function fit(id: string): string {
  return id.length <= maxLength ? id : `sess_${digest(id)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** How many characters tell a conversation, so that a huge first message costs nothing. */
const tellingLength = 500;

/** The words alone, since marks for caching move on from turn to turn. */
function firstUserText(body: JsonObject | undefined): string {
  const first = conversationOf(body)?.find((entry) => typeof entry === 'string' || (isRecord(entry) && (entry['role'] ?? 'user') === 'user'));
  const content = isRecord(first) ? (first['content'] ?? first['parts']) : first;
  if (typeof content === 'string') return content.slice(0, tellingLength);
  let words = '';
  for (const part of Array.isArray(content) ? content : []) {
    if (words.length >= tellingLength) break;
    words += isRecord(part) ? wordsOf(part) : String(part);
  }
  return words.slice(0, tellingLength);
}

function wordsOf(part: JsonObject): string {
  const { text, type } = part;
  return typeof text === 'string' ? text : typeof type === 'string' ? `[${type}]` : '';
}
