import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi } from './management-api.ts';

type Row = Record<string, unknown>;

/** Fields that v0.3.42 did not have: who does not know them neither sees nor changes them. */
let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  expect(api.errors).toEqual([]);
  await api.close();
});

const list = async (action: string, body: object = {}): Promise<Row[]> => (await api.data(action, body)) as Row[];
const audited = (entity: string, id: number): Promise<Row[]> =>
  api.database.query('SELECT before, after FROM hub_audit_log WHERE entity = $1 AND entity_id = $2 ORDER BY id DESC LIMIT 1', [entity, id]);

describe('budgetEnforcement', () => {
  it('of a user is set, kept by edits that do not name it, shown where it is set, and cleared', async () => {
    const { id } = await api.createUser({ name: 'hard', budgetEnforcement: 'hard' });
    const shown = async () => (await list('users/getUsers', { pageSize: 200 })).find((user) => user['id'] === id);
    expect(await shown()).toMatchObject({ budgetEnforcement: 'hard' });
    await api.data('users/editUser', { userId: id, note: 'as a script of v0.3.42' });
    expect(await shown()).toMatchObject({ budgetEnforcement: 'hard', note: 'as a script of v0.3.42' });
    await api.data('users/editUser', { userId: id, budgetEnforcement: 'soft' });
    expect(await shown()).toMatchObject({ budgetEnforcement: 'soft' });
    expect(await audited('user', id)).toMatchObject([{ before: { budgetEnforcement: 'hard' }, after: { budgetEnforcement: 'soft' } }]);
    await api.data('users/editUser', { userId: id, budgetEnforcement: null });
    expect(await shown()).not.toHaveProperty('budgetEnforcement');
    expect(await api.call('users/editUser', { userId: id, budgetEnforcement: 'firm' })).toMatchObject({ status: 400 });
  });

  it('of a key likewise, although an edit resets most other fields', async () => {
    const { id, keyId } = await api.createUser({ name: 'keys' });
    await api.data('keys/addKey', { userId: id, name: 'hard', budgetEnforcement: 'hard' });
    const shown = async (name: string) => (await list('keys/getKeys', { userId: id })).find((key) => key['name'] === name);
    const hard = await shown('hard');
    expect(hard).toMatchObject({ budgetEnforcement: 'hard' });
    expect(await shown('default')).not.toHaveProperty('budgetEnforcement');
    const hardId = Number(hard?.['id']);
    await api.data('keys/editKey', { keyId: hardId, name: 'hard' });
    expect(await shown('hard')).toMatchObject({ budgetEnforcement: 'hard' });
    const users = await list('users/getUsers', { pageSize: 200 });
    expect(users.find((user) => user['id'] === id)).toMatchObject({ keys: [{ id: keyId }, { id: hardId, budgetEnforcement: 'hard' }] });
    await api.data('keys/editKey', { keyId: hardId, name: 'hard', budgetEnforcement: null });
    expect(await shown('hard')).not.toHaveProperty('budgetEnforcement');
    expect(await audited('key', hardId)).toMatchObject([{ before: { budgetEnforcement: 'hard' }, after: { budgetEnforcement: null } }]);
    expect(await api.call('keys/editKey', { keyId: hardId, name: 'hard', budgetEnforcement: 'firm' }, { contentType: null })).toMatchObject({ status: 400 });
  });
});

it('on_client_abort of a provider is set, kept, shown where it is set, and cleared', async () => {
  await api.data('providers/addProvider', { name: 'drain', url: 'https://api.example.com', key: 'k', on_client_abort: 'drain' });
  await api.data('providers/addProvider', { name: 'plain', url: 'https://api.example.com', key: 'k' });
  const shown = async (name: string) => (await list('providers/getProviders')).find((provider) => provider['name'] === name);
  const drain = await shown('drain');
  expect(drain).toMatchObject({ onClientAbort: 'drain' });
  expect(await shown('plain')).not.toHaveProperty('onClientAbort');
  await api.data('providers/editProvider', { providerId: drain?.['id'], weight: 2 });
  expect(await shown('drain')).toMatchObject({ onClientAbort: 'drain', weight: 2 });
  await api.data('providers/editProvider', { providerId: drain?.['id'], on_client_abort: 'cancel' });
  expect(await shown('drain')).toMatchObject({ onClientAbort: 'cancel' });
  await api.data('providers/editProvider', { providerId: drain?.['id'], on_client_abort: null });
  expect(await shown('drain')).not.toHaveProperty('onClientAbort');
  expect(await audited('provider', Number(drain?.['id']))).toMatchObject([{ before: { onClientAbort: 'cancel' }, after: { onClientAbort: null } }]);
  expect(await api.call('providers/editProvider', { providerId: drain?.['id'], on_client_abort: 'hang' })).toMatchObject({ status: 400 });
});
