import type { LauncherEnv } from '../env.ts';
import { messageOf, type Terminal } from '../terminal.ts';
import { addProvider, type ManagementClient } from './management-client.ts';
import type { SetupRecord } from './setup-record.ts';

interface Vendor {
  readonly name: string;
  readonly key: string;
  readonly url: string;
  /** The hub's provider types that this vendor's API serves. */
  readonly types: readonly string[];
}

/** Makes providers from the vendors' own variables, once for each vendor. */
export async function addVendors(client: ManagementClient, env: LauncherEnv, record: SetupRecord, terminal: Terminal): Promise<void> {
  for (const vendor of vendorsIn(env)) {
    if (record.vendors[vendor.name] !== undefined) continue;
    const ids: number[] = [];
    try {
      for (const type of vendor.types) {
        const name = vendor.types.length === 1 ? vendor.name : `${vendor.name} (${type})`;
        ids.push(await addProvider(client, { name, url: vendor.url, key: vendor.key, provider_type: type, priority: 0 }));
      }
      terminal.note(`added ${vendor.name} as a provider, with the key from the environment`);
    } catch (error) {
      terminal.note(`could not add ${vendor.name} as a provider: ${messageOf(error)}`);
    }
    if (ids.length > 0) record.vendors[vendor.name] = ids;
  }
}

function vendorsIn(env: LauncherEnv): readonly Vendor[] {
  const all: readonly Vendor[] = [
    { name: 'anthropic', key: env.anthropicKey, url: baseUrl(env.anthropicUrl), types: ['claude'] },
    { name: 'openai', key: env.openaiKey, url: baseUrl(env.openaiUrl), types: ['codex', 'openai-compatible'] },
    { name: 'gemini', key: env.geminiKey, url: baseUrl(env.geminiUrl), types: ['gemini'] },
  ];
  return all.filter(({ key }) => key !== '');
}

/** Some SDKs' base URLs end in the version, which the hub takes from the request's path. */
function baseUrl(url: string): string {
  return url.replace(/\/+$/, '').replace(/\/v1(beta)?$/, '');
}
