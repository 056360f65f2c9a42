import type { Request, Response } from 'express';
import { authenticate, isAdmin } from '../authenticate.ts';
import type { Services } from '../context.ts';
import { LoginThrottle } from '../login-throttle.ts';
import { say } from '../texts.ts';
import { languageOf } from './actions.ts';
import { answerJson } from './answer.ts';
import { parseJson, readBody } from './body.ts';
import { cookieName } from './credential.ts';

/** A week, s. */
const cookieAge = 604_800;
const bodyLimit = 16 * 1024;

export interface LoginOptions {
  readonly services: Services;
  readonly adminToken: string | undefined;
  readonly secureCookies: boolean;
}

/** POST /api/auth/login: the cookie is the key itself. Keys that may not use the management interface are welcome too. */
export function loginHandler({ services, adminToken, secureCookies }: LoginOptions): (request: Request, response: Response) => Promise<void> {
  const throttle = new LoginThrottle();
  return async (request, response) => {
    const language = languageOf(request);
    const refuse = (status: number, error: string): void => answerJson(response, status, { error });
    try {
      const address = request.ip ?? '';
      const wait = throttle.wait(address, services.clock.now());
      if (wait > 0) {
        const seconds = Math.ceil(wait / 1000);
        response.setHeader('retry-after', String(seconds));
        return refuse(429, say(language, 'loginTooOften', { seconds }));
      }
      const body = parseJson(await readBody(request, response, bodyLimit));
      // v0.3.42: what is no JSON is a failure of the server.
      if (body === undefined) return refuse(500, say(language, 'loginFailed'));
      const key = keyOf(body.value);
      if (key === undefined) return refuse(400, say(language, 'loginKeyMissing'));
      const caller = typeof key === 'string' ? await authenticate(services, { adminToken, token: key, readonlyAllowed: true }) : undefined;
      if (caller === undefined || typeof key !== 'string') {
        throttle.failed(address, services.clock.now());
        return refuse(401, say(language, 'loginKeyInvalid'));
      }
      response.setHeader('set-cookie', loginCookie(key, services.clock.now(), secureCookies));
      const { id, name, description, role } = caller.user;
      const redirectTo = isAdmin(caller) || caller.key.canLoginWebUi ? '/dashboard' : '/my-usage';
      answerJson(response, 200, { ok: true, user: { id, name, description, role }, redirectTo });
    } catch (error) {
      services.log.error({ err: error }, 'login failed');
      refuse(500, say(language, 'loginFailed'));
    }
  };
}

/** @returns undefined if there is none or it is empty */
function keyOf(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !('key' in body)) return undefined;
  return body.key === '' || body.key === null || body.key === false || body.key === 0 ? undefined : body.key;
}

function loginCookie(key: string, now: number, secure: boolean): string {
  const expires = new Date(now + cookieAge * 1000).toUTCString();
  const attributes = [`Path=/`, `Expires=${expires}`, `Max-Age=${cookieAge}`, ...(secure ? ['Secure'] : []), 'HttpOnly', 'SameSite=lax'];
  return `${cookieName}=${encodeURIComponent(key)}; ${attributes.join('; ')}`;
}

/** POST /api/auth/logout */
export function logout(_request: Request, response: Response): void {
  response.setHeader('set-cookie', `${cookieName}=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT`);
  answerJson(response, 200, { ok: true });
}
