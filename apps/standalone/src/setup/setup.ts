import type { DataFolder } from '../data-folder.ts';
import type { LauncherEnv } from '../env.ts';
import type { Terminal } from '../terminal.ts';
import { demoKey, type DemoUpstream, setUpDemo, switchOffDemo } from './demo.ts';
import type { ManagementClient } from './management-client.ts';
import { addFirstPrices } from './prices.ts';
import { readSetupRecord, writeSetupRecord } from './setup-record.ts';
import { addVendors } from './vendors.ts';

export interface SetupOptions {
  readonly client: ManagementClient;
  readonly env: LauncherEnv;
  readonly folder: DataFolder;
  readonly terminal: Terminal;
  /** Undefined when HUB_DEMO=0. */
  readonly demo: DemoUpstream | undefined;
}

export interface SetupResult {
  /** Unset if there is none, or somebody deleted it. */
  readonly demoKey: string | undefined;
  /** Whether the configuration is now another than before. */
  readonly changed: boolean;
}

/** Makes what a fresh hub needs to answer its first request, through the management API's own door. */
export async function setUp({ client, env, folder, terminal, demo }: SetupOptions): Promise<SetupResult> {
  const record = readSetupRecord(folder, env.databaseUrl || undefined);
  const before = JSON.stringify(record);
  const save = () => writeSetupRecord(folder, record);
  try {
    if (record.prices !== true) {
      await addFirstPrices(client);
      record.prices = true;
    }
    // The demo first: it is only put into a database without providers.
    if (demo === undefined) await switchOffDemo(client, record, terminal);
    else await setUpDemo(client, demo, record, { save, terminal });
    await addVendors(client, env, record, terminal);
  } finally {
    save();
  }
  return {
    demoKey: demo === undefined ? undefined : await demoKey(client, record),
    changed: JSON.stringify(record) !== before,
  };
}
