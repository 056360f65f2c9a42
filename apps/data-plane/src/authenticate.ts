import { createHash } from 'node:crypto';
import type { Key, Snapshot, User } from '@hub/contract';
import { header, type RequestHeaders } from './exchange.ts';
import { HubFault } from './faults.ts';

/** Where a request may carry a key. */
export interface Credentialed {
  readonly headers: RequestHeaders;
  /** "" or "?…". */
  readonly search: string;
}

/** Who calls: a key and the user that it belongs to. */
export interface Caller {
  readonly key: Key;
  readonly user: User;
}

/**
 * Finds the caller (contract C2.1). A key may come as `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` or, if there
 * is no such header, as query parameter `key`; several must agree. Keys are looked up by hash, so neither a comparison nor
 * the snapshot ever holds one.
 * @param rules mayDiffer: of several different keys the first counts, as v0.3.42 has it for lists of models (contract C13)
 * @throws HubFault 401
 */
export function authenticate(
  { headers, search }: Credentialed,
  snapshot: Snapshot,
  now: number,
  rules: { readonly mayDiffer: boolean } = { mayDiffer: false },
): Caller {
  const credential = credentialOf(headers, search, rules.mayDiffer);
  const key = snapshot.keysByFingerprint.get(fingerprint(credential));
  const user = key === undefined ? undefined : snapshot.users.get(key.userId);
  if (key === undefined || user === undefined || !key.enabled || isPast(key.expiresAt, now)) {
    throw new HubFault(key === undefined ? 'unknown_api_key' : 'invalid_api_key', 'The API key is not valid: it does not exist, was deleted, is disabled or has expired.');
  }
  if (!user.enabled) {
    throw new HubFault('user_disabled', 'The user of this API key is disabled. Please ask the administrator of the hub.');
  }
  if (user.expiresAt !== undefined && isPast(user.expiresAt, now)) {
    const date = new Date(user.expiresAt).toISOString().slice(0, 10);
    throw new HubFault('user_expired', `The user of this API key expired on ${date}. Please ask the administrator of the hub.`);
  }
  return { key, user };
}

function credentialOf(headers: RequestHeaders, search: string, mayDiffer: boolean): string {
  const found = new Set<string>();
  const bearer = /^Bearer\s+(.+)$/i.exec(header(headers, 'authorization') ?? '')?.[1]?.trim();
  if (bearer) found.add(bearer);
  const apiKey = header(headers, 'x-api-key')?.trim();
  if (apiKey) found.add(apiKey);
  const googleKey = header(headers, 'x-goog-api-key')?.trim() || queryKey(search);
  if (googleKey) found.add(googleKey);
  const [credential] = found;
  if (credential === undefined) {
    throw new HubFault(
      'authentication_error',
      'No credential was sent. Put the API key into the Authorization header (Bearer), x-api-key or x-goog-api-key.',
    );
  }
  if (found.size > 1 && !mayDiffer) {
    throw new HubFault('authentication_error', 'Several different API keys were sent. Please send one.');
  }
  return credential;
}

function queryKey(search: string): string | undefined {
  if (!search.includes('key=')) return undefined;
  return new URLSearchParams(search).get('key') ?? undefined;
}

/** How `Key.fingerprint` is made of a key string. */
export function fingerprint(key: string): string {
  return createHash('sha256').update(key).digest('base64');
}

function isPast(time: number | undefined, now: number): boolean {
  return time !== undefined && time <= now;
}
