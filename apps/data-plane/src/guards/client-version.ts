import { HubFault } from '../faults.ts';
import type { Guard } from './guard.ts';

const displayNames: Readonly<Record<string, string>> = { 'claude-cli': 'Claude CLI', 'claude-vscode': 'Claude VSCode Extension' };

/**
 * Setting enable_client_version_check: clients that are older than the version most people use are asked to upgrade. Which
 * version that is, the control plane works out; a client it has no opinion on passes.
 */
export const clientVersion: Guard = {
  name: 'client-version',
  onCountTokens: true,
  check({ snapshot: { settings }, request }) {
    if (!settings.clientVersionCheck) return undefined;
    const client = parseClient(request.userAgent ?? '');
    if (client === undefined) return undefined;
    const required = settings.minimumClientVersions.get(client.type);
    if (required === undefined || compareVersions(client.version, required) >= 0) return undefined;
    const display = displayNames[client.type] ?? client.type;
    throw new HubFault(
      'client_upgrade_required',
      `${display} ${client.version} is outdated. Please upgrade to ${required} or later to go on using this service.`,
      {
        fields: {
          current_version: client.version,
          required_version: required,
          client_type: client.type,
          client_display_name: display,
        },
      },
    );
  },
};

/** `name/x.y.z[-pre]` at the start of the user agent (contract C2.5). */
export function parseClient(userAgent: string): { type: string; version: string } | undefined {
  const match = /^([A-Za-z0-9_.-]+)\/(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)/.exec(userAgent);
  const [, name, version] = match ?? [];
  if (name === undefined || version === undefined) return undefined;
  const type = name === 'claude-cli' && userAgent.includes('claude-vscode') ? 'claude-vscode' : name;
  return { type, version };
}

/** Semantic versioning's order: numbers first, then a pre-release is older than its release. */
export function compareVersions(left: string, right: string): number {
  const [leftCore = '', leftPre] = left.split(/-(.*)/s);
  const [rightCore = '', rightPre] = right.split(/-(.*)/s);
  const leftNumbers = leftCore.split('.').map(Number);
  const rightNumbers = rightCore.split('.').map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (leftNumbers[i] ?? 0) - (rightNumbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (leftPre === rightPre) return 0;
  if (leftPre === undefined) return 1;
  if (rightPre === undefined) return -1;
  return leftPre < rightPre ? -1 : 1;
}
