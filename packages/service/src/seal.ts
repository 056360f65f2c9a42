import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** Sealed text begins with this; anything else is taken as plain. */
const prefix = 'sealed:v1:';
const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM under one key. What is sealed for one purpose does not open for another. */
export interface Sealer {
  seal(plain: string, purpose: string): string;
  /** @throws Error if the text was sealed under another key or purpose, or was changed */
  open(sealed: string, purpose: string): string;
  sealBytes(plain: Uint8Array, purpose: string): Buffer;
  openBytes(sealed: Uint8Array, purpose: string): Buffer;
}

export function isSealed(text: string): boolean {
  return text.startsWith(prefix);
}

/**
 * @param masterKey any secret of at least 16 characters; 64 hex digits (`openssl rand -hex 32`) recommended
 * @throws Error if the key is too short to be one
 */
export function createSealer(masterKey: string): Sealer {
  if (masterKey.length < 16) throw new Error('the master key must have at least 16 characters (openssl rand -hex 32)');
  const key = Buffer.from(hkdfSync('sha256', masterKey, 'claude-code-hub', 'seal', 32));

  const sealBytes = (plain: Uint8Array, purpose: string): Buffer => {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(purpose));
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]);
  };
  const openBytes = (sealed: Uint8Array, purpose: string): Buffer => {
    if (sealed.length < nonceBytes + tagBytes) throw new Error('sealed data is too short');
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes));
    decipher.setAAD(Buffer.from(purpose));
    decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
  };
  return {
    sealBytes,
    openBytes,
    seal: (plain, purpose) => prefix + sealBytes(Buffer.from(plain, 'utf8'), purpose).toString('base64url'),
    open(sealed, purpose) {
      if (!isSealed(sealed)) return sealed;
      return openBytes(Buffer.from(sealed.slice(prefix.length), 'base64url'), purpose).toString('utf8');
    },
  };
}

/** SHA-256 of a hub key: how keys are looked up without being kept. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/** Compares two secrets in time that does not depend on where they differ. */
export function secretsEqual(left: string, right: string): boolean {
  return timingSafeEqual(createHash('sha256').update(left).digest(), createHash('sha256').update(right).digest());
}
