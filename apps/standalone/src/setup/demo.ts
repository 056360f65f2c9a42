import type { Terminal } from '../terminal.ts';
import { addProvider, type Key, listProviders, type ManagementClient } from './management-client.ts';
import type { DemoRecord, SetupRecord } from './setup-record.ts';

/** The demo upstream that runs now. */
export interface DemoUpstream {
  readonly url: string;
  readonly key: string;
}

const types = ['claude', 'codex', 'openai-compatible', 'gemini'] as const;
/** Its providers are in a group of their own, so that no other key ever gets an answer that no model gave. */
const group = 'demo';
/** Behind every real provider: a smaller number goes first. */
const priority = 100;

/**
 * Sees to it that the demo is there: a user, a key, and one provider for each dialect. Only put into a database that has
 * no providers yet; afterwards only the address of the upstream is kept up to date.
 *
 * @param save keeps the record, after every step, so that an interrupted setup goes on where it was
 */
export async function setUpDemo(
  client: ManagementClient,
  upstream: DemoUpstream,
  record: SetupRecord,
  { save, terminal }: { save: () => void; terminal: Terminal },
): Promise<void> {
  const present = await listProviders(client);
  if (record.demo === undefined && present.length > 0) {
    terminal.note('this database has providers already: no demo user, key and providers were added');
    record.demo = { providers: {} };
    save();
    return;
  }
  const demo: DemoRecord = (record.demo ??= { providers: {} });
  const begun = demo.userId !== undefined || present.length === 0;
  if (!begun) return;
  await addUser(client, demo, save);
  for (const type of types) {
    const id = demo.providers[type];
    if (id === undefined) {
      const name = `demo (${type})`;
      demo.providers[type] = await addProvider(client, { name, url: upstream.url, key: upstream.key, provider_type: type, group_tag: group, priority });
      save();
      continue;
    }
    const row = present.find((provider) => provider.id === id);
    if (row === undefined) continue;
    if (row.url !== upstream.url || demo.disabled === true) {
      await client.call('providers/editProvider', { providerId: id, url: upstream.url, ...(demo.disabled === true ? { is_enabled: true } : {}) });
    }
  }
  delete demo.disabled;
  demo.upstreamUrl = upstream.url;
  save();
}

/** HUB_DEMO=0 after a start with it: nothing answers behind those providers any more. */
export async function switchOffDemo(client: ManagementClient, record: SetupRecord, terminal: Terminal): Promise<void> {
  const { demo } = record;
  if (demo === undefined || demo.disabled === true) return;
  const ids = new Set(Object.values(demo.providers));
  const present = (await listProviders(client)).filter(({ id, isEnabled }) => ids.has(id) && isEnabled);
  for (const { id } of present) await client.call('providers/editProvider', { providerId: id, is_enabled: false });
  demo.disabled = true;
  if (present.length > 0) terminal.note('HUB_DEMO=0: the demo providers of an earlier start are now disabled');
}

/** The demo key, unless somebody deleted or disabled it. */
export async function demoKey(client: ManagementClient, { demo }: SetupRecord): Promise<string | undefined> {
  if (demo?.userId === undefined || demo.keyId === undefined) return undefined;
  // The user may be gone, which the API answers with a refusal.
  const keys = (await client.call('keys/getKeys', { userId: demo.userId }).catch(() => [])) as readonly Key[];
  return keys.find(({ id, isEnabled }) => id === demo.keyId && isEnabled)?.key;
}

/** A new user comes with a key. */
async function addUser(client: ManagementClient, demo: DemoRecord, save: () => void): Promise<void> {
  if (demo.userId !== undefined) return;
  const made = (await client.call('users/addUser', { name: 'demo', note: 'made at the first start', providerGroup: `default,${group}` })) as {
    user: { id: number };
    defaultKey: { id: number };
  };
  demo.userId = made.user.id;
  demo.keyId = made.defaultKey.id;
  save();
  await client.call('keys/editKey', { keyId: demo.keyId, name: 'demo', canLoginWebUi: true, providerGroup: `default,${group}` });
}
