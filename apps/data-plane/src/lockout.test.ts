import { describe, expect, it } from 'vitest';
import { createLockout } from './lockout.ts';

const options = { failures: 3, withinMs: 1000, lockedMs: 5000, addresses: 2 };

describe('lockout', () => {
  it('shuts an address out after its failures, and nobody else, for its time', () => {
    const lockout = createLockout(options);
    for (const at of [0, 10, 20]) lockout.failed('a', at);
    expect(() => lockout.check('a', 21)).toThrow(expect.objectContaining({ status: 429, detail: { headers: { 'retry-after': '5' } } }));
    expect(() => lockout.check('b', 21)).not.toThrow();
    expect(() => lockout.check('a', 5020)).not.toThrow();
  });

  it('counts within its window only', () => {
    const lockout = createLockout(options);
    for (const at of [0, 900, 1100, 2000]) lockout.failed('a', at);
    expect(() => lockout.check('a', 2000)).not.toThrow();
  });

  it('forgets the oldest address when there are too many', () => {
    const lockout = createLockout(options);
    for (const at of [0, 1, 2]) lockout.failed('a', at);
    lockout.failed('b', 3);
    lockout.failed('c', 4);
    expect(() => lockout.check('a', 5)).not.toThrow();
  });
});
