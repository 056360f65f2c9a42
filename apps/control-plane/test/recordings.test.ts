import { type FakeClock, compareJson, fakeClock, golden, goldenAvailable, goldenNames, type Recording } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '@hub/service';
import { allOperations } from '../src/operations.ts';
import { type Answer, type Api, startApi } from './management-api.ts';
import { RecordedWorld } from './recorded-world.ts';

/**
 * Replays what v0.3.42 was asked and compares what it answered: status, the headers that matter, and JSON but for
 * sentences, ids, keys and times of creation.
 */
const groups = ['auth', 'transport', 'openapi', 'actions-users', 'actions-keys', 'actions-providers', 'actions-model-prices', 'actions-active-sessions', 'actions-as-user', 'http', 'j60'];

const actions = new Set(allOperations(systemClock).map(({ module, action }) => `/api/actions/${module}/${action}`));
const otherPaths = new Set(['/api/actions/health', '/api/actions/docs', '/api/actions/scalar', '/api/actions/no/such', '/api/auth/login', '/api/auth/logout', '/api/system-settings', '/api/admin/system-config']);

/** Recordings that we mean to answer differently; each is a line of docs/compatibility.md. */
const deliberate: Readonly<Record<string, (answer: Answer) => void>> = {
  'openapi/scalar-html': (answer) => expect([answer.status, answer.headers.get('location')]).toEqual([302, '/api/actions/docs']),
  'actions-model-prices/uploadPriceTable-key-order': (answer) =>
    expect(answer.body).toEqual({ ok: true, data: { added: [], updated: [], unchanged: ['zz-new'], failed: [], total: 1 } }),
  'actions-keys/addKey-invalid-bad-expiry': (answer) =>
    expect([answer.status, answer.body]).toEqual([400, { ok: false, error: expect.any(String), errorCode: 'INVALID_FORMAT', errorParams: { field: 'expiresAt' } }]),
};

/** Of these we say something else to people. */
const sentences: Readonly<Record<string, string>> = { 'auth/login-cross-origin': 'user.description', 'auth/login-https-forwarded': 'user.description' };

const varying = [
  'error',
  'timestamp',
  'data.user.id',
  'data.defaultKey.id',
  'data.defaultKey.key',
  'data.generatedKey',
  'data.cost5h.resetInfo',
  // Of the settings.
  'createdAt',
  'updatedAt',
  // The rows of the three users that were made by hand say when; the answer is the same moment in words.
  /^data\.\d+\.keys\.\d+\.createdAtFormatted$/,
];

/** Settings that v0.3.42 did not have. */
const ownSettings = ['budgetEnforcement', 'enableFormatConversion', 'maxRequestBodyBytes'];

describe.skipIf(!goldenAvailable)('recordings of v0.3.42', () => {
  let api: Api;
  let clock: FakeClock;
  let world: RecordedWorld;
  beforeAll(async () => {
    clock = fakeClock();
    api = await startApi({ clock, secretsAtRest: 'plain' });
    world = new RecordedWorld(api.database);
  });
  afterAll(() => api.close());

  for (const group of groups) {
    describe(group, () => {
      for (const name of goldenNames(group).filter((candidate) => covered(group, candidate))) {
        it(name, async () => {
          const recording = golden(group, name);
          // To the second; what it was in ms shows in nothing that is compared.
          clock.set(Date.parse(String(recording.response.headers['date'])));
          await world.restore(group, recording);
          const answer = await replay(api, recording);
          expect(api.errors.splice(0)).toEqual([]);
          const exception = deliberate[`${group}/${name}`];
          if (exception !== undefined) return exception(answer);
          expect(describeAnswer(answer)).toEqual(describeRecorded(recording));
          const differences = compareJson(readErrors(recording.response.body), readErrors(answer.body ?? answer.text), {
            varying: [...varying, sentences[`${group}/${name}`] ?? []].flat(),
            ignored: ownSettings,
          });
          if (isJson(recording)) expect(differences).toEqual([]);
        });
      }
    });
  }
});

/** Whether the call is one that this API has; j60 also holds calls of the proxy and of operations still to come. */
function covered(group: string, name: string): boolean {
  if (group === 'j60' && !/^([012]\d|33)/.test(name)) return false;
  // Needs Redis: live-state.test.ts.
  if (group === 'actions-active-sessions' && name === 'getActiveSessions') return false;
  const { request } = golden(group, name);
  const path = request.path.replace(/\/$/, '');
  return actions.has(path) || otherPaths.has(path);
}

function replay(api: Api, { request }: Recording): Promise<Answer> {
  const { 'content-length': _, host: __, connection: ___, authorization, 'content-type': contentType, ...headers } = request.headers;
  const body = typeof request.body === 'string' || request.body === undefined ? request.body : JSON.stringify(request.body);
  return api.send(request.method, request.path, request.method === 'GET' || request.body === null ? undefined : body, {
    token: null,
    contentType: contentType === undefined ? null : String(contentType),
    headers: Object.fromEntries(Object.entries({ ...headers, ...(authorization !== undefined && { authorization }) }).map(([header, value]) => [header, String(value)])),
  });
}

function describeAnswer({ status, headers }: Answer): object {
  return { status, contentType: mediaType(headers.get('content-type')), location: headers.get('location'), cookie: headers.get('set-cookie') };
}

function describeRecorded({ response: { status, headers } }: Recording): object {
  const cookie = headers['set-cookie'];
  return {
    status,
    contentType: mediaType(headers['content-type']),
    location: headers['location'] ?? null,
    cookie: cookie === undefined ? null : String(cookie),
  };
}

function mediaType(header: unknown): string | null {
  return typeof header === 'string' ? header.toLowerCase().replace(/\s/g, '') : null;
}

function isJson({ response }: Recording): boolean {
  return String(response.headers['content-type']).startsWith('application/json');
}

/** zod's issues travel as text: they are compared as what they are, without their sentences. */
function readErrors(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const { error, ...rest } = body as { error?: unknown };
  if (error === undefined) return body;
  if (typeof error === 'string') return { ...rest, error: issues(error) ?? error };
  const { message, ...more } = error as { message?: unknown };
  return { ...rest, error: { ...more, message: issues(String(message)) } };
}

function issues(text: string): unknown {
  if (!text.startsWith('[')) return undefined;
  return (JSON.parse(text) as object[]).map((issue) => ({ ...issue, message: undefined }));
}
