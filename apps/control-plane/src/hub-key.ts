import { randomBytes } from 'node:crypto';

/** A new hub key: `sk-` and 128 random bits in hex. */
export function generateKey(): string {
  return `sk-${randomBytes(16).toString('hex')}`;
}
