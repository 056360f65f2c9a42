import { type Request, type Response, Router } from 'express';
import { authenticate, type Caller, isAdmin } from '../authenticate.ts';
import type { CallContext, Services } from '../context.ts';
import { localise } from '../failure.ts';
import { changeSettings, settingsChange, settingsOf, showSettings } from '../resources/system-settings.ts';
import { type Language, say } from '../texts.ts';
import { languageOf } from './actions.ts';
import { answerJson, answerText } from './answer.ts';
import { BodyRefused, isStorable, parseJson, readBody } from './body.ts';
import { tokenOf } from './credential.ts';
import { onlyMethods } from './methods.ts';

const bodyLimit = 64 * 1024;

export interface SystemSettingsOptions {
  readonly services: Services;
  readonly adminToken: string | undefined;
}

/**
 * `GET /api/system-settings` for whoever may use the management interface, `GET` and `POST /api/admin/system-config` for
 * admins. Answers are the bare object, refusals `{"error":…}` or a word of text, as in v0.3.42.
 */
export function systemSettingsRouter(options: SystemSettingsOptions): Router {
  const router = Router();
  router.get('/api/system-settings', async (request, response) => {
    const caller = await callerOf(options, request);
    if (caller === undefined) return answerJson(response, 401, { error: say(languageOf(request), 'logInFirst') });
    await answerSettings(options, caller, request, response);
  });
  router.all('/api/system-settings', onlyMethods('GET, HEAD, OPTIONS'));
  router.get('/api/admin/system-config', async (request, response) => {
    const admin = await adminOf(options, request);
    if (admin === undefined) return answerText(response, 401, 'Unauthorized');
    await answerSettings(options, admin, request, response);
  });
  router.post('/api/admin/system-config', async (request, response) => {
    const admin = await adminOf(options, request);
    if (admin === undefined) return answerText(response, 401, 'Unauthorized');
    await takeSettings(options, admin, request, response);
  });
  router.all('/api/admin/system-config', onlyMethods('GET, HEAD, OPTIONS, POST'));
  return router;
}

function callerOf({ services, adminToken }: SystemSettingsOptions, request: Request): Promise<Caller | undefined> {
  return authenticate(services, { adminToken, token: tokenOf(request), readonlyAllowed: false });
}

async function adminOf(options: SystemSettingsOptions, request: Request): Promise<Caller | undefined> {
  const caller = await callerOf(options, request);
  return caller !== undefined && isAdmin(caller) ? caller : undefined;
}

function contextOf({ services }: SystemSettingsOptions, caller: Caller, request: Request): CallContext {
  return { ...services, action: 'admin/system-config', caller, language: languageOf(request), requestIp: request.ip };
}

async function answerSettings(options: SystemSettingsOptions, caller: Caller, request: Request, response: Response): Promise<void> {
  const context = contextOf(options, caller, request);
  try {
    answerJson(response, 200, showSettings(await settingsOf(context)));
  } catch (error) {
    answerFailure(context, error, response);
  }
}

async function takeSettings(options: SystemSettingsOptions, caller: Caller, request: Request, response: Response): Promise<void> {
  const context = contextOf(options, caller, request);
  const { language } = context;
  try {
    const body = parseJson(await readBody(request, response, bodyLimit));
    // v0.3.42: what is no JSON is a failure of the server.
    if (body === undefined) return answerJson(response, 500, { error: say(language, 'settingsNotJson') });
    if (!isStorable(body.value)) return answerJson(response, 400, { error: say(language, 'notStorable') });
    const checked = settingsChange.safeParse(body.value);
    if (!checked.success) return answerJson(response, 400, { error: firstMessage(checked.error.issues, language) });
    answerJson(response, 200, showSettings(await changeSettings(context, checked.data)));
  } catch (error) {
    answerFailure(context, error, response);
  }
}

function firstMessage(issues: Parameters<typeof localise>[0], language: Language): string {
  const [first] = localise(issues, language);
  if (first === undefined) return '';
  // Ours name the field; zod's own do not.
  const field = first.path.join('.');
  return field === '' || first.message.includes(field) ? first.message : `${field}: ${first.message}`;
}

function answerFailure({ log, language }: CallContext, error: unknown, response: Response): void {
  if (error instanceof BodyRefused) {
    const text = error.status === 413 ? say(language, 'bodyTooLarge', { max: error.limit }) : say(language, 'bodyUnreadable');
    return answerJson(response, error.status, { error: text });
  }
  log.error({ err: error }, 'the settings could not be read or stored');
  answerJson(response, 500, { error: say(language, 'settingsFailed') });
}
