import type { Clock } from '@hub/service';
import type { Provider } from '@hub/contract';
import { fetchJson } from '../fetch-json.ts';
import { isRecord } from '../request/json.ts';
import type { Credential } from './headers.ts';
import type { Transport } from './transport.ts';

/**
 * How each provider type is paid with (contract C5.3). Gemini keys may be API keys, OAuth tokens ("ya29.…") or JSON
 * credentials whose access token is renewed when it has run out.
 */
export interface Credentials {
  /** @throws Error if a token had to be renewed and could not be */
  of(provider: Provider): Credential | Promise<Credential>;
}

const googleTokenUrl = 'https://oauth2.googleapis.com/token';
/** A token is renewed this long before it runs out. ms */
const renewalMarginMs = 60_000;
const renewalTimeoutMs = 15_000;

interface Token {
  readonly accessToken: string;
  readonly expiresAt: number;
}

export function createCredentials(transport: Transport, clock: Clock, tokenUrl: string = googleTokenUrl): Credentials {
  const tokens = new Map<string, Promise<Token>>();

  const renewed = async (apiKey: string, stored: Record<string, unknown>): Promise<Credential> => {
    const known = tokens.get(apiKey);
    const token = await known?.catch(() => undefined);
    if (token !== undefined && token.expiresAt > clock.now() + renewalMarginMs) return { kind: 'bearer', token: token.accessToken };
    // Of all requests that find the token old, only the first renews it.
    if (tokens.get(apiKey) === known) tokens.set(apiKey, renewToken(transport, tokenUrl, stored, clock));
    const fresh = await tokens.get(apiKey);
    if (fresh === undefined) throw new Error('the Google access token could not be renewed');
    return { kind: 'bearer', token: fresh.accessToken };
  };

  return {
    of(provider) {
      const { apiKey, type } = provider;
      if (type === 'claude-auth') return { kind: 'bearer', token: apiKey };
      if (type !== 'gemini' && type !== 'gemini-cli') return { kind: 'bearer+x-api-key', token: apiKey };
      if (apiKey.startsWith('ya29.')) return { kind: 'bearer', token: apiKey };
      if (!apiKey.startsWith('{')) return { kind: 'x-goog-api-key', token: apiKey };
      const stored = parseStored(apiKey);
      if (stored === undefined) return { kind: 'x-goog-api-key', token: apiKey };
      const own = ownToken(stored, clock.now());
      return own === undefined ? renewed(apiKey, stored) : { kind: 'bearer', token: own };
    },
  };
}

function parseStored(apiKey: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(apiKey);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** The stored access token, if it says nothing of an end or has not reached it. */
function ownToken(stored: Record<string, unknown>, now: number): string | undefined {
  const token = stored['access_token'];
  if (typeof token !== 'string') return undefined;
  const end = stored['expires_at'] ?? stored['expiry_date'];
  if (end === undefined) return token;
  const time = typeof end === 'number' ? (end < 1e12 ? end * 1000 : end) : Date.parse(String(end));
  return time > now + renewalMarginMs ? token : undefined;
}

async function renewToken(transport: Transport, tokenUrl: string, stored: Record<string, unknown>, clock: Clock): Promise<Token> {
  const url = new URL(tokenUrl);
  const form = new URLSearchParams({ grant_type: 'refresh_token' });
  for (const name of ['client_id', 'client_secret', 'refresh_token']) form.set(name, String(stored[name] ?? ''));
  const request = {
    method: 'POST',
    origin: url.origin,
    path: url.pathname,
    headers: ['content-type', 'application/x-www-form-urlencoded'],
    body: Buffer.from(form.toString()),
  };
  const { status, body } = await fetchJson(transport, request, { proxyUrl: undefined, timeoutMs: renewalTimeoutMs, maxBytes: 64 * 1024 });
  const accessToken = isRecord(body) ? body['access_token'] : undefined;
  if (status !== 200 || typeof accessToken !== 'string') throw new Error(`Google refused to renew the access token (status ${status})`);
  const seconds = Number((isRecord(body) ? body['expires_in'] : undefined) ?? 3600);
  return { accessToken, expiresAt: clock.now() + seconds * 1000 };
}
