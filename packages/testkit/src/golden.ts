import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Recordings of a live v0.3.42 that lie beside the checkout; without them the suites that replay them skip. */
export const goldenFolder = fileURLToPath(new URL('../../../../shared/golden/', import.meta.url));

export const goldenAvailable = existsSync(goldenFolder);

export interface Recording {
  readonly name: string;
  readonly note?: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string | number>>;
    readonly body?: unknown;
  };
  readonly response: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string | readonly string[]>>;
    /** Parsed JSON, text, or `{ $base64 }` for bytes. */
    readonly body?: unknown;
    readonly rawBody?: string;
    /** When (ms after the request) how many bytes arrived. */
    readonly chunks?: readonly { readonly t: number; readonly n: number }[];
  };
  /** What the provider's side received, in order. */
  readonly upstream?: readonly {
    readonly method: string;
    readonly url: string;
    readonly tenant: string | null;
    readonly rawHeaders: readonly string[];
    readonly body?: unknown;
  }[];
  /** Rows of message_request that the call wrote. */
  readonly db?: readonly Readonly<Record<string, unknown>>[];
}

/** The recording `<group>/<name>.json`. Throws if there is none. */
export function golden(group: string, name: string): Recording {
  return goldenJson(`${group}/${name}.json`) as Recording;
}

/** Names of all recordings of a group, sorted; empty without recordings. */
export function goldenNames(group: string): string[] {
  if (!existsSync(`${goldenFolder}${group}`)) return [];
  const files = readdirSync(`${goldenFolder}${group}`).filter((file) => file.endsWith('.json'));
  return files.map((file) => file.slice(0, -'.json'.length)).sort();
}

/** Any JSON file of the recordings, such as `world.json`. */
export function goldenJson(path: string): unknown {
  return JSON.parse(readFileSync(`${goldenFolder}${path}`, 'utf8')) as unknown;
}
