import { expect, it } from 'vitest';
import { LoginThrottle } from './login-throttle.ts';

it('lets an address wait after its failures, until the minute is over', () => {
  const throttle = new LoginThrottle(3, 10);
  for (let failure = 0; failure < 3; failure++) {
    expect(throttle.wait('a', 1000)).toBe(0);
    throttle.failed('a', 1000 + failure);
  }
  expect(throttle.wait('a', 2000)).toBe(59_000);
  expect(throttle.wait('b', 2000)).toBe(0);
  expect(throttle.wait('a', 61_000)).toBe(0);
  throttle.failed('a', 61_000);
  expect(throttle.wait('a', 61_001)).toBe(0);
});

it('remembers only so many addresses', () => {
  const throttle = new LoginThrottle(1, 2);
  for (const address of ['a', 'b', 'c']) throttle.failed(address, 0);
  expect(throttle.wait('a', 1)).toBe(0);
  expect(throttle.wait('b', 1)).toBeGreaterThan(0);
  expect(throttle.wait('c', 1)).toBeGreaterThan(0);
});
