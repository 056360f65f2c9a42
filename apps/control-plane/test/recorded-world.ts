import { hashKey } from '@hub/service';
import type { Recording, TestDatabase } from '@hub/testkit';

/** The rows that a recording needs, put into an empty database with the ids and keys that it names. */

type Fields = Readonly<Record<string, unknown>>;

async function emptyTables(database: TestDatabase): Promise<void> {
  // Much quicker than TRUNCATE where there are few rows.
  for (const table of ['users', 'keys', 'providers', 'model_prices']) {
    await database.query(`DELETE FROM ${table}`);
    // New rows must not meet the recorded ids.
    await database.query(`SELECT setval(pg_get_serial_sequence('${table}', 'id'), 10000)`);
  }
}

async function insert(database: TestDatabase, table: string, row: Fields): Promise<void> {
  const columns = Object.keys(row);
  const places = columns.map((_, at) => `$${at + 1}`);
  const values = Object.values(row).map((value) => (typeof value === 'object' && value !== null && !(value instanceof Date) && !Buffer.isBuffer(value) ? JSON.stringify(value) : value));
  await database.query(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places.join(', ')})`, values);
}

async function insertUser(database: TestDatabase, user: Fields): Promise<void> {
  await insert(database, 'users', {
    id: user['id'],
    name: user['name'],
    description: user['note'] ?? '',
    role: user['role'] ?? 'user',
    rpm_limit: user['rpm'] ?? null,
    daily_limit_usd: user['dailyQuota'] ?? null,
    provider_group: user['providerGroup'] ?? 'default',
    tags: user['tags'] ?? [],
    limit_5h_usd: user['limit5hUsd'] ?? null,
    limit_weekly_usd: user['limitWeeklyUsd'] ?? null,
    limit_monthly_usd: user['limitMonthlyUsd'] ?? null,
    limit_total_usd: user['limitTotalUsd'] ?? null,
    limit_concurrent_sessions: user['limitConcurrentSessions'] ?? null,
    daily_reset_mode: user['dailyResetMode'] ?? 'fixed',
    daily_reset_time: user['dailyResetTime'] ?? '00:00',
    is_enabled: user['isEnabled'] ?? true,
    expires_at: user['expiresAt'] ?? null,
    allowed_clients: user['allowedClients'] ?? [],
    allowed_models: user['allowedModels'] ?? [],
  });
}

/** Of getUsers' `keys[]` or of getKeys. */
async function insertKey(database: TestDatabase, userId: unknown, key: Fields): Promise<void> {
  const text = String(key['fullKey'] ?? key['key']);
  const expiresAt = typeof key['expiresAt'] === 'string' && /^\d{4}/.test(key['expiresAt']) ? key['expiresAt'] : null;
  await insert(database, 'keys', {
    id: key['id'],
    user_id: userId,
    key: text,
    key_hash: hashKey(text),
    name: key['name'],
    is_enabled: key['isEnabled'] ?? key['status'] !== 'disabled',
    expires_at: expiresAt,
    can_login_web_ui: key['canLoginWebUi'] ?? true,
    limit_5h_usd: key['limit5hUsd'] ?? null,
    limit_daily_usd: key['limitDailyUsd'] ?? null,
    daily_reset_mode: key['dailyResetMode'] ?? 'fixed',
    daily_reset_time: key['dailyResetTime'] ?? '00:00',
    limit_weekly_usd: key['limitWeeklyUsd'] ?? null,
    limit_monthly_usd: key['limitMonthlyUsd'] ?? null,
    limit_total_usd: key['limitTotalUsd'] ?? null,
    limit_concurrent_sessions: key['limitConcurrentSessions'] ?? 0,
    provider_group: key['providerGroup'] ?? 'default',
    cache_ttl_preference: key['cacheTtlPreference'] ?? null,
    created_at: key['createdAt'] ?? '2026-11-23T06:37:37Z',
    updated_at: key['updatedAt'] ?? key['createdAt'] ?? '2026-11-23T06:37:37Z',
  });
}

const providerKeys: Readonly<Record<string, string>> = { '••••••': 'short' };

async function insertProvider(database: TestDatabase, provider: Fields): Promise<void> {
  const mask = String(provider['maskedKey']);
  const row: Record<string, unknown> = { key: providerKeys[mask] ?? mask.replace('••••••', '-some-more-') };
  const names: Record<string, string> = { limit5hUsd: 'limit_5h_usd', context1mPreference: 'context_1m_preference' };
  const computed = new Set(['maskedKey', 'todayTotalCostUsd', 'todayCallCount', 'lastCallTime', 'lastCallModel']);
  for (const [name, value] of Object.entries(provider)) {
    if (computed.has(name)) continue;
    row[names[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  await insert(database, 'providers', row);
}

const alice = { id: 2, name: 'alice2', note: 'edited', tags: ['t'] };
const bob = {
  id: 3,
  name: 'bob',
  note: 'a note',
  rpm: 200,
  dailyQuota: 50.5,
  providerGroup: 'backup,premium',
  tags: ['vip', 'team-a'],
  limit5hUsd: '10.00',
  limitWeeklyUsd: '100.00',
  limitMonthlyUsd: '300.00',
  limitTotalUsd: 1000,
  limitConcurrentSessions: 3,
  dailyResetMode: 'rolling',
  dailyResetTime: '08:30',
  expiresAt: '2030-12-31T23:59:59.999Z',
  allowedClients: ['claude-cli'],
  allowedModels: ['claude-sonnet-4-5-20250929'],
};

/** Users and keys as they stood through most of the management recordings. */
const managementUsers: readonly Fields[] = [
  {
    ...alice,
    keys: [
      { id: 2, name: 'default', key: 'sk-a042803892c3893282442213e5fe566a' },
      { id: 15, name: 'second-renamed', key: 'sk-b268dc709706aaff04f512d1ae7ed45d' },
      { id: 16, name: 'webui', key: 'sk-55ec48d653346c19f78513a2191423fb' },
      { id: 17, name: 'readonly', key: 'sk-94c9f0c44f9d3a09692dda7df1fe3db9', canLoginWebUi: false },
      { id: 24, name: 'by-self', key: 'sk-fe1f93082b5476ee1bd0bfff3f1611be' },
    ],
  },
  {
    ...bob,
    keys: [
      { id: 3, name: 'default', key: 'sk-10cb78178c177ef4922643f71eb4e03a', providerGroup: 'backup,premium' },
      { id: 18, name: 'full', key: 'sk-3495bb3592a9813ce3a0b78d209043a3', canLoginWebUi: false, providerGroup: 'premium' },
    ],
  },
  { id: 14, name: 'for-removal', keys: [{ id: 26, name: 'default', key: 'sk-00000000000000000000000000000014' }] },
  { id: 99, name: 'another', keys: [{ id: 27, name: 'default', key: 'sk-5af70080cab34aefb6f7193d09c4e9ad' }] },
];

/** The same for the 60 cases of section J. */
const caseUsers: readonly Fields[] = [
  {
    id: 1,
    name: 'u1',
    keys: [
      { id: 1, name: 'default', key: 'sk-9d450a599c575f80c07e2f3e8a2a600a' },
      { id: 7, name: 'ro', key: 'sk-cd8d5154c9ca0468959793290537b9e3', canLoginWebUi: false },
    ],
  },
  {
    id: 2,
    name: 'u2',
    limit5hUsd: '10.00',
    limitTotalUsd: 20,
    keys: [{ id: 2, name: 'default', key: 'sk-3ea526e9dee994098ece1af27f1051d1' }],
  },
  { id: 4, name: 'u4', keys: [{ id: 4, name: 'default', key: 'sk-93a2b3146b886c68679bc9e12aaf5221' }] },
];

const minimalProvider = { id: 1, name: 'prov-min', url: 'http://127.0.0.1:59001', maskedKey: 'sk-p••••••6789' };

/** What single cases need beyond that. */
const additions: Readonly<Record<string, (database: TestDatabase) => Promise<unknown>>> = {
  'actions-keys/disabled-key-on-management': (database) => database.query('UPDATE keys SET is_enabled = false WHERE id = 15'),
  'actions-keys/removeKey-twice': (database) => database.query('UPDATE keys SET deleted_at = now() WHERE id = 15'),
  'actions-keys/addKey-minimal': (database) => database.query('DELETE FROM keys WHERE id = 15'),
  'actions-keys/addKey-readonly': (database) => database.query('DELETE FROM keys WHERE id = 17'),
  'actions-keys/addKey-webui': (database) => database.query('DELETE FROM keys WHERE id = 16'),
  'actions-keys/user-addKey-self': (database) => database.query('DELETE FROM keys WHERE id = 24'),
  'actions-model-prices/uploadPriceTable-key-order': (database) => insertPrice(database, { mode: 'chat', input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, litellm_provider: 'x' }),
  'actions-model-prices/uploadPriceTable-updated': (database) => insertPrice(database, { mode: 'chat', input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, litellm_provider: 'x' }),
  'actions-model-prices/hasPriceTable-user': (database) => insertPrice(database, { mode: 'chat' }),
  // Recorded with a single user.
  'j60/29': (database) => database.query('UPDATE users SET deleted_at = now() WHERE id <> 1'),
  'j60/22a': (database) => insertKey(database, 2, { id: 6, name: 'second', key: 'sk-00000000000000000000000000000006', expiresAt: '2030-01-01' }),
};

/** The answer holds their names. */
async function insertChatModels(database: TestDatabase, { response: { body } }: Recording): Promise<void> {
  const names = typeof body === 'object' && body !== null && 'data' in body ? body.data : [];
  await database.query(`INSERT INTO model_prices (model_name, price_data) SELECT unnest($1::text[]), '{"mode":"chat"}'`, [names]);
}

function insertPrice(database: TestDatabase, price: Fields): Promise<void> {
  return insert(database, 'model_prices', { model_name: 'zz-new', price_data: price });
}

/** Restores worlds one after the other; one that the last call cannot have changed is kept. */
export class RecordedWorld {
  readonly #database: TestDatabase;
  #standing: string | undefined;

  constructor(database: TestDatabase) {
    this.#database = database;
  }

  async restore(group: string, recording: Recording): Promise<void> {
    const { status } = recording.response;
    const lists = /\/(get|has)/.test(actionOf(recording)) && status === 200;
    const special = lists || additions[recording.name] !== undefined;
    const wanted = special ? undefined : group === 'j60' ? 'cases' : 'management';
    if (wanted === undefined || wanted !== this.#standing) {
      await restore(this.#database, group, recording);
    }
    this.#standing = status === 200 ? undefined : wanted;
  }
}

function actionOf({ request }: Recording): string {
  return request.path.replace(/^\/api\/actions\//, '').replace(/\/$/, '');
}

/**
 * The world before a recorded call. A list that was answered tells which rows there were; everything else is put back as
 * it was recorded.
 */
async function restore(database: TestDatabase, group: string, recording: Recording): Promise<void> {
  await emptyTables(database);
  const action = actionOf(recording);
  const data = answered(recording);
  if (action === 'users/getUsers' && data !== undefined) {
    await insertUsers(database, data);
    return;
  }
  let users = group === 'j60' ? caseUsers : managementUsers;
  if (action === 'keys/getKeys' && data !== undefined) {
    const [first] = data;
    const listed = { id: 99 + 1, name: 'whose keys are listed', ...users.find((user) => user['id'] === first?.['userId']), keys: data };
    users = [...users.filter((user) => user['id'] !== listed.id), listed];
  }
  await insertUsers(database, users);
  const providers = action === 'providers/getProviders' ? data : healthOf(recording);
  for (const provider of providers ?? [minimalProvider, { ...minimalProvider, id: 8 }]) await insertProvider(database, provider);
  if (action === 'model-prices/getModelPrices') {
    for (const { id, modelName, priceData, createdAt, updatedAt } of data ?? []) {
      await insert(database, 'model_prices', { id, model_name: modelName, price_data: priceData, created_at: createdAt, updated_at: updatedAt });
    }
  }
  if (action === 'model-prices/getAvailableModelsByProviderType') await insertChatModels(database, recording);
  await additions[recording.name]?.(database);
}

async function insertUsers(database: TestDatabase, users: readonly Fields[]): Promise<void> {
  for (const user of users) {
    await insertUser(database, user);
    for (const key of list(user['keys']) ?? []) await insertKey(database, user['id'], key);
  }
}

function answered(recording: Recording): readonly Fields[] | undefined {
  const { body } = recording.response;
  return typeof body === 'object' && body !== null && 'data' in body ? list(body.data) : undefined;
}

function list(value: unknown): readonly Fields[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'object') ? (value as Fields[]) : undefined;
}

/** getProvidersHealthStatus names the ids. */
function healthOf(recording: Recording): readonly Fields[] | undefined {
  if (!recording.request.path.endsWith('/getProvidersHealthStatus')) return undefined;
  const { body } = recording.response;
  if (typeof body !== 'object' || body === null || !('data' in body)) return undefined;
  return Object.keys(Object(body.data)).map((id) => ({ ...minimalProvider, id: Number(id) }));
}
