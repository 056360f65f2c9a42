import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Api, startApi } from './management-api.ts';
let api: Api;
beforeAll(async () => { api = await startApi(); });
afterAll(() => api.close());
it('works', async () => {
  console.log((await api.call('users/addUser', { name: 'u1', limit5hUsd: 10 })).text);
  console.log((await api.call('users/getUsers', {})).text);
  console.log((await api.call('keys/addKey', { userId: 1, name: 'k2', providerGroup: 'vip' })).text);
  console.log((await api.call('keys/getKeys', { userId: 1 })).text);
  console.log((await api.call('keys/getKeyLimitUsage', { keyId: 1 })).text);
  console.log((await api.call('providers/addProvider', { name: 'p', url: 'http://127.0.0.1:1', key: 'sk-1234567890abcdef' })).text);
  console.log((await api.call('providers/getProviders', {})).text);
  console.log((await api.call('providers/getProviderLimitUsage', {providerId: 1})).text);
  console.log((await api.call('model-prices/uploadPriceTable', {jsonContent: '{"m":{"mode":"chat","input_cost_per_token":3e-06}}'})).text);
  console.log((await api.call('model-prices/getModelPrices', {})).text);
  console.log((await api.send('GET', '/api/actions/openapi.json')).text.slice(0, 3000));
  expect(1).toBe(1);
});
