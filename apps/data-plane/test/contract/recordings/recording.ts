import { goldenJson, goldenNames, type Recording } from '@hub/testkit';

/** What the recordings say, in types: only the fields that are looked at. */

export interface ChainItem {
  readonly id: number;
  readonly name: string;
  readonly reason: string;
  readonly attemptNumber?: number;
  readonly statusCode?: number;
  readonly circuitFailureThreshold?: number;
  readonly decisionContext?: { readonly userGroup?: string; readonly totalProviders?: number; readonly filteredProviders?: readonly { readonly name: string }[]; readonly candidatesAtPriority?: readonly { readonly name: string }[] };
  readonly errorDetails?: { readonly provider?: { readonly statusCode: number; readonly upstreamBody?: unknown } };
}

export const groups = ['proxy-auth', 'proxy-guards', 'proxy-happy', 'proxy-limits', 'proxy-models', 'proxy-session', 'proxy-upstream', 'j60'] as const;

/** Of the 60 cases those of the proxy: 39 and later. */
export function namesOf(group: string): string[] {
  return goldenNames(group).filter((name) => group !== 'j60' || !/^\d/.test(name) || Number.parseInt(name, 10) >= 39);
}

export function recordingOf(group: string, name: string): Recording {
  return goldenJson(`${group}/${name}.json`) as Recording;
}

export function chainOf(recording: Recording): readonly ChainItem[] {
  return (recording.db?.[0]?.['provider_chain'] ?? []) as readonly ChainItem[];
}

/** The chain's attempts, in step with the requests that the upstream received. */
export function attemptsOf(recording: Recording): readonly ChainItem[] {
  return chainOf(recording).filter((item) => item.attemptNumber !== undefined);
}

/** The key that a request shows, wherever it is. */
export function keyTextOf({ headers, path }: Recording['request']): string | undefined {
  const bearer = /^Bearer\s+(.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1];
  const value = bearer ?? headers['x-api-key'] ?? headers['x-goog-api-key'] ?? new URLSearchParams(path.split('?')[1]).get('key');
  return value === null || value === undefined || value === '' ? undefined : String(value);
}

/** Where the recorded decisions of a key's requests looked: its group, and who is in it. */
export interface GroupSeen {
  readonly group: string;
  readonly names: ReadonlySet<string>;
}

let seen: Map<string, { group: string; names: Set<string> }> | undefined;

/** By key, from all recordings that have a decision. */
export function groupSeenBy(keyText: string | undefined): GroupSeen | undefined {
  seen ??= collect();
  return keyText === undefined ? undefined : seen.get(keyText);
}

function collect() {
  const byKey = new Map<string, { group: string; names: Set<string> }>();
  for (const group of groups) {
    for (const name of namesOf(group)) {
      const recording = recordingOf(group, name);
      const context = chainOf(recording)[0]?.decisionContext;
      const key = keyTextOf(recording.request);
      if (key === undefined || context?.userGroup === undefined) continue;
      const entry = byKey.get(key) ?? { group: context.userGroup, names: new Set<string>() };
      for (const { name: provider } of [...(context.filteredProviders ?? []), ...(context.candidatesAtPriority ?? []), ...chainOf(recording)]) entry.names.add(provider);
      byKey.set(key, entry);
    }
  }
  return byKey;
}
