/** The management API refused. */
export class ManagementError extends Error {
  override readonly name = 'ManagementError';
}

const answersWithinMs = 15_000;

/** The management API as any script would use it. */
export interface ManagementClient {
  /**
   * @param action `{module}/{action}`
   * @returns the data of the answer
   * @throws ManagementError with the sentence of the answer
   */
  call(action: string, body?: object): Promise<unknown>;
}

export interface Provider {
  readonly id: number;
  readonly name: string;
  readonly url: string;
  readonly isEnabled: boolean;
}

export interface Key {
  readonly id: number;
  readonly key: string;
  readonly isEnabled: boolean;
}

export function createManagementClient(url: string, adminToken: string): ManagementClient {
  return {
    async call(action, body = {}) {
      const response = await fetch(`${url}/api/actions/${action}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', 'accept-language': 'en' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(answersWithinMs),
      });
      const text = await response.text();
      const envelope = parse(text);
      if (envelope?.ok !== true) throw new ManagementError(`${action}: ${reason(envelope?.error) ?? `status ${response.status}`}`);
      return envelope.data;
    },
  };
}

export async function listProviders(client: ManagementClient): Promise<readonly Provider[]> {
  return (await client.call('providers/getProviders')) as readonly Provider[];
}

/**
 * Adds a provider. The API does not say which id it got: it is the newest of that name.
 * @returns the id
 */
export async function addProvider(client: ManagementClient, provider: { readonly name: string; readonly [field: string]: unknown }): Promise<number> {
  await client.call('providers/addProvider', provider);
  const ids = (await listProviders(client)).filter(({ name }) => name === provider.name).map(({ id }) => id);
  if (ids.length === 0) throw new ManagementError(`providers/addProvider: ${provider.name} was not kept`);
  return Math.max(...ids);
}

function parse(text: string): { ok?: boolean; data?: unknown; error?: unknown } | undefined {
  try {
    return JSON.parse(text) as { ok?: boolean; data?: unknown; error?: unknown };
  } catch {
    return undefined;
  }
}

/** A sentence, or for a request that does not fit its schema an object with one. */
function reason(error: unknown): string | undefined {
  if (typeof error === 'string') return error;
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message.replace(/\s+/g, ' ') : undefined;
}
