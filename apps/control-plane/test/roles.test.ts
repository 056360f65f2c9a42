import { systemClock } from '@hub/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../src/operation.ts';
import { allOperations } from '../src/operations.ts';
import { adminToken, type Api, startApi } from './management-api.ts';

/** Every operation × everybody who might call it. A new operation is covered by being declared. */
const who = ['nobody', 'bad token', 'admin', 'admin user', 'user', 'readonly'] as const;
type Who = (typeof who)[number];

const missing = { status: 401, body: { ok: false, error: '未认证' } };
const invalid = { status: 401, body: { ok: false, error: '认证无效或已过期' } };
const forbidden = { status: 403, body: { ok: false, error: '权限不足' } };
/** Gets as far as the operation, whatever that says to the arguments. */
const admitted = undefined;

function expected({ role }: Operation, caller: Who): object | undefined {
  if (caller === 'nobody') return missing;
  if (caller === 'bad token') return invalid;
  if (caller === 'readonly') return role === 'readonly' ? admitted : invalid;
  if (caller === 'user') return role === 'admin' ? forbidden : admitted;
  return admitted;
}

describe('who may call what', () => {
  let api: Api;
  const tokens: Partial<Record<Who, string | null>> = { nobody: null, 'bad token': 'nope', admin: adminToken };
  beforeAll(async () => {
    api = await startApi();
    const user = await api.createUser({ name: 'user' });
    tokens.user = user.key;
    tokens.readonly = ((await api.data('keys/addKey', { userId: user.id, name: 'ro', canLoginWebUi: false })) as { generatedKey: string }).generatedKey;
    const admin = await api.createUser({ name: 'admin' });
    tokens['admin user'] = admin.key;
    await api.database.query("UPDATE users SET role = 'admin' WHERE id = $1", [admin.id]);
  });
  afterAll(() => api.close());

  for (const operation of allOperations(systemClock)) {
    it.each(who)(`${operation.module}/${operation.action} (${operation.role}): %s`, async (caller) => {
      // Without a content type the transport does not look at the body, so that nothing comes before the credential.
      const { status, body } = await api.call(`${operation.module}/${operation.action}`, '[]', { token: tokens[caller], contentType: null });
      const outcome = expected(operation, caller);
      if (outcome === admitted) expect([200, 400]).toContain(status);
      else expect({ status, body }).toEqual(outcome);
      expect(api.errors).toEqual([]);
    });
  }
});
