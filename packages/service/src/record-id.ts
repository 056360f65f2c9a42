import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(4096);
let used = pool.length;

/**
 * UUID version 7 (RFC 9562): 48 bits of epoch ms, then random bits. Sorts by time, so that rows written together lie
 * together in the index.
 */
export function recordId(nowMs: number): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + 10);
  used += 10;
  const time = nowMs.toString(16).padStart(12, '0');
  const hex = random.toString('hex');
  const variant = (8 + ((random[2] ?? 0) & 3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(5, 8)}-${hex.slice(8)}`;
}
