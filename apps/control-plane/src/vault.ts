import { createSealer, hashKey, isSealed } from '@hub/service';

/**
 * How secrets lie in the database. "sealed": AES-256-GCM under HUB_MASTER_KEY. "plain": as v0.3.42 wrote them, for as long
 * as both services share one database. Reading understands both, always.
 */
export interface Vault {
  readonly mode: 'sealed' | 'plain';
  /** A hub key for the columns keys.key and keys.key_hash. */
  storeKey(key: string): { readonly key: string; readonly keyHash: Buffer };
  /** A provider key, webhook secret or the like. */
  store(secret: string, purpose: SecretPurpose): string;
  /** @throws Error if it was sealed under another master key */
  reveal(stored: string, purpose: SecretPurpose): string;
  /** What message_request.key holds for rows of this key: the key itself when plain, else a mark made of its hash. */
  keyColumn(row: { readonly key: string; readonly keyHash: Uint8Array | null }): string;
}

export type SecretPurpose = 'hub-key' | 'provider-key' | 'webhook-secret';

/** @param masterKey undefined only in plain mode, and then sealed values cannot be read */
export function createVault(mode: 'sealed' | 'plain', masterKey: string | undefined): Vault {
  const sealer = masterKey === undefined ? undefined : createSealer(masterKey);
  if (mode === 'sealed' && sealer === undefined) {
    throw new Error('HUB_MASTER_KEY is not set: make one with "openssl rand -hex 32", or set SECRETS_AT_REST=plain');
  }
  const store = (secret: string, purpose: SecretPurpose): string =>
    mode === 'sealed' && sealer !== undefined ? sealer.seal(secret, purpose) : secret;
  const reveal = (stored: string, purpose: SecretPurpose): string => {
    if (!isSealed(stored)) return stored;
    if (sealer === undefined) throw new Error('the database holds sealed secrets and HUB_MASTER_KEY is not set');
    return sealer.open(stored, purpose);
  };
  return {
    mode,
    storeKey: (key) => ({ key: store(key, 'hub-key'), keyHash: hashKey(key) }),
    store,
    reveal,
    keyColumn(row) {
      if (mode === 'plain' && !isSealed(row.key)) return row.key;
      const hash = row.keyHash ?? hashKey(reveal(row.key, 'hub-key'));
      return `sha256:${Buffer.from(hash).toString('hex')}`;
    },
  };
}
