import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Api, startApi } from './management-api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const statuses = async (calls: readonly Promise<{ status: number }>[]): Promise<number[]> => (await Promise.all(calls)).map(({ status }) => status).toSorted();

it('of two enabled keys removed at once, exactly one goes', async () => {
  for (let round = 0; round < 5; round++) {
    const { id, keyId } = await api.createUser({ name: `round ${round}` });
    await api.data('keys/addKey', { userId: id, name: 'second' });
    const keys = (await api.data('keys/getKeys', { userId: id })) as { id: number }[];
    expect(keys.map((key) => key.id)).toContain(keyId);
    expect(await statuses(keys.map((key) => api.call('keys/removeKey', { keyId: key.id })))).toEqual([200, 400]);
    expect(await api.data('keys/getKeys', { userId: id })).toHaveLength(1);
  }
});

it('of eight keys of one name added at once, one is', async () => {
  const { id } = await api.createUser({ name: 'names' });
  const calls = Array.from({ length: 8 }, () => api.call('keys/addKey', { userId: id, name: 'same' }));
  expect(await statuses(calls)).toEqual([200, ...Array.from({ length: 7 }, () => 400)]);
});

it('groups of keys added at once all reach the user, while he is edited', async () => {
  const { id } = await api.createUser({ name: 'groups' });
  const groups = ['a', 'b', 'c', 'd', 'e'];
  const calls = groups.flatMap((group) => [
    api.call('keys/addKey', { userId: id, name: group, providerGroup: group }),
    api.call('users/editUser', { userId: id, note: group }),
  ]);
  expect(new Set(await statuses(calls))).toEqual(new Set([200]));
  const users = (await api.data('users/getUsers')) as { id: number; providerGroup: string }[];
  expect(users.find((user) => user.id === id)?.providerGroup).toBe('a,b,c,d,default,e');
  expect(api.errors).toEqual([]);
});
