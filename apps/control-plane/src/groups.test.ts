import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { normaliseGroups, splitGroups, unionOfGroups } from './groups.ts';

it.each([
  [' b , a,,a', 'a,b'],
  [null, 'default'],
  ['', 'default'],
  [' , ', 'default'],
  ['vip,*,research', '*,research,vip'],
])('normalises %j to %s', (groups, normal) => {
  expect(normaliseGroups(groups)).toBe(normal);
});

it('joins the groups of keys; none is the default group', () => {
  expect(unionOfGroups(['vip', null, 'b,vip'])).toBe('b,default,vip');
  expect(unionOfGroups([])).toBe('default');
});

it('normalising twice changes nothing, and keeps the same groups', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', ',', ' ', '*') }), (groups) => {
      const normal = normaliseGroups(groups);
      expect(normaliseGroups(normal)).toBe(normal);
      expect(new Set(splitGroups(normal))).toEqual(new Set(splitGroups(groups)));
    }),
  );
});
