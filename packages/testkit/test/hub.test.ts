import { afterAll, beforeAll, expect, it } from 'vitest';
import { ActionError, anthropicUsage, type Hub, startHub } from '../src/index.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub({ dataPlanes: 2 });
});
afterAll(() => hub.stop());

const model = 'claude-sonnet-4-5-20250929';
const message = { model, max_tokens: 16, messages: [{ role: 'user', content: 'hi' }] };

it('serves what it was just told, on every data plane, and shows the rows', async () => {
  const provider = await hub.createProvider();
  const user = await hub.createUser();
  const key = await hub.createKey({ userId: user.id });
  expect(key.id).not.toBe(user.keyId);
  const answers = await Promise.all([
    hub.send('/v1/messages', message, { key: user.key }),
    hub.send('/v1/messages', message, { key: key.key, dataPlane: 1 }),
  ]);
  expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
  await Promise.all(answers.map((answer) => answer.text()));
  const rows = await hub.waitForRows(2);
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({ user_id: user.id, provider_id: provider.id, status_code: 200, output_tokens: anthropicUsage.output });
  expect(new Set(rows.map((row) => row['key_id']))).toEqual(new Set([user.keyId, key.id]));
});

it('throws what a refused action answered', async () => {
  const refused = hub.admin('users/addUser', { name: '' });
  await expect(refused).rejects.toBeInstanceOf(ActionError);
  await expect(refused).rejects.toMatchObject({ status: 400 });
  expect((await hub.adminRaw('users/getUsers', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
});

it('goes on where it was after a plane was killed', async () => {
  const user = await hub.createUser();
  await hub.kill('data-plane');
  await expect(hub.send('/v1/messages', message, { key: user.key })).rejects.toThrow();
  await hub.restart('data-plane');
  const answer = await hub.send('/v1/messages', message, { key: user.key });
  expect(answer.status).toBe(200);
  await answer.text();
  await hub.kill('control-plane');
  await hub.restart('control-plane');
  const later = await hub.createUser();
  expect((await hub.send('/v1/messages', message, { key: later.key })).status).toBe(200);
});
