import { Histogram, type Registry } from '@hub/service';
import type { Request, Response } from 'express';
import { authenticate, type Caller, isAdmin } from '../authenticate.ts';
import type { CallContext, Services } from '../context.ts';
import { Failure, InvalidInput, issueText, localise } from '../failure.ts';
import { negotiateLanguage } from '../language.ts';
import type { Operation } from '../operation.ts';
import { authTexts, type Language, say } from '../texts.ts';
import { answerEmpty, answerJson, answerText } from './answer.ts';
import { BodyRefused, isJsonType, isStorable, parseJson, readBody } from './body.ts';
import { tokenOf } from './credential.ts';
import { Download, sendDownload } from './download.ts';

const defaultBodyLimit = 1024 * 1024;

export interface ActionsOptions {
  readonly services: Services;
  readonly operations: readonly Operation[];
  readonly adminToken: string | undefined;
  readonly metrics: Registry;
}

/** `/api/actions/{module}/{action}` for all operations: verbs, order of steps and envelope as in v0.3.42. */
export function actionsHandler(options: ActionsOptions): (request: Request, response: Response) => Promise<void> {
  const operations = new Map(options.operations.map((operation) => [`${operation.module}/${operation.action}`, operation]));
  const duration = new Histogram({
    name: 'hub_management_seconds',
    help: 'Duration of calls of the management API',
    labelNames: ['action', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [options.metrics],
  });
  return async (request, response) => {
    if (request.method === 'OPTIONS') {
      response.setHeader('allow', 'GET, HEAD, OPTIONS, POST');
      return answerEmpty(response, 204);
    }
    const known = request.method === 'GET' || request.method === 'HEAD' || request.method === 'POST';
    if (!known) return answerEmpty(response, 405);
    const action = request.path.slice('/api/actions/'.length);
    const operation = request.method === 'POST' ? operations.get(action) : undefined;
    if (operation === undefined) return answerText(response, 404, '404 Not Found');
    const stop = duration.startTimer({ action });
    try {
      await call(options, operation, request, response);
    } finally {
      stop({ status: response.statusCode });
    }
  };
}

async function call(options: ActionsOptions, operation: Operation, request: Request, response: Response): Promise<void> {
  const language = languageOf(request);
  const action = `${operation.module}/${operation.action}`;
  try {
    const text = await readAllowedBody(options, operation, request, response);
    const parsed = parseJson(text);
    if (isJsonType(request.headers['content-type'])) {
      // Before anybody asks who calls.
      if (parsed === undefined) return malformed(response);
      const checked = operation.body.safeParse(parsed.value);
      if (!checked.success) return answerJson(response, 400, schemaFailure(checked.error.issues, language));
    }
    const caller = await identify(options, operation, request, response);
    if (caller === undefined) return;
    const body = parsed === undefined ? {} : parsed.value;
    if (!isStorable(body)) throw new Failure('notStorable', { code: 'INVALID_FORMAT' });
    const context: CallContext = { ...options.services, action, caller, language, requestIp: request.ip };
    const data = await operation.call(context, body);
    if (data instanceof Download) return await sendDownload(data, response, options.services.log);
    answerJson(response, 200, { ok: true, data });
  } catch (error) {
    answerError(options.services, { error, language, action }, response);
  }
}

/** Large bodies are for those who may call the operation; a stranger gets no more of our memory than elsewhere. */
async function readAllowedBody(options: ActionsOptions, operation: Operation, request: Request, response: Response): Promise<string> {
  let limit = defaultBodyLimit;
  if (operation.bodyLimit !== undefined && operation.bodyLimit > limit) {
    const caller = await authenticate(options.services, credentialOf(options, operation, request));
    if (caller !== undefined && mayCall(caller, operation)) limit = operation.bodyLimit;
  }
  return readBody(request, response, limit);
}

/** Answers 401 or 403 by itself. */
async function identify(options: ActionsOptions, operation: Operation, request: Request, response: Response): Promise<Caller | undefined> {
  const credential = credentialOf(options, operation, request);
  const refuse = (status: number, error: string): undefined => void answerJson(response, status, { ok: false, error });
  if (credential.token === '') return refuse(401, authTexts.missing);
  const caller = await authenticate(options.services, credential);
  if (caller === undefined) return refuse(401, authTexts.invalid);
  return mayCall(caller, operation) ? caller : refuse(403, authTexts.forbidden);
}

function credentialOf({ adminToken }: ActionsOptions, { role }: Operation, request: Request) {
  return { adminToken, token: tokenOf(request), readonlyAllowed: role === 'readonly' };
}

function mayCall(caller: Caller, { role }: Operation): boolean {
  return role !== 'admin' || isAdmin(caller);
}

export function languageOf(request: Request): Language {
  return negotiateLanguage({ locale: request.get('x-next-intl-locale'), acceptLanguage: request.get('accept-language') });
}

function malformed(response: Response): void {
  response.statusCode = 400;
  response.setHeader('content-type', 'text/plain;charset=UTF-8');
  response.end('Malformed JSON in request body');
}

function schemaFailure(issues: Parameters<typeof localise>[0], language: Language): object {
  return { success: false, error: { name: 'ZodError', message: issueText(localise(issues, language)) } };
}

interface CallError {
  readonly error: unknown;
  readonly language: Language;
  readonly action: string;
}

function answerError({ log }: Services, { error, language, action }: CallError, response: Response): void {
  if (error instanceof Failure || error instanceof InvalidInput) return answerJson(response, 400, error.body(language));
  if (error instanceof BodyRefused) {
    const text = error.status === 413 ? say(language, 'bodyTooLarge', { max: error.limit }) : say(language, 'bodyUnreadable');
    return answerJson(response, error.status, { ok: false, error: text });
  }
  // The reason stays here: v0.3.42 told it to the client, with SQL and parameters in it.
  log.error({ err: error, action }, 'management call failed');
  answerJson(response, 500, { ok: false, error: say(language, 'internalError') });
}
