import type { Request } from 'express';

export const cookieName = 'auth-token';

/**
 * The token of a request: the cookie; only where there is no such cookie, `Authorization: Bearer`. An empty cookie is a
 * cookie. "" means there is none.
 */
export function tokenOf(request: Request): string {
  return cookieOf(request.headers.cookie) ?? bearerOf(request.headers.authorization) ?? '';
}

function cookieOf(header: string | undefined): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== cookieName) continue;
    const value = pair.slice(at + 1).trim().replace(/^"(.*)"$/, '$1');
    try {
      return decodeURIComponent(value);
    } catch {
      return value;
    }
  }
  return undefined;
}

function bearerOf(header: string | undefined): string | undefined {
  return /^\s*bearer\s+(.*)$/i.exec(header ?? '')?.[1]?.trim();
}
