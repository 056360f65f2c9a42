import { expect, it } from 'vitest';
import { compareJson } from '../src/index.ts';

it.each([
  ['equal', { a: [1, { b: null }] }, { a: [1, { b: null }] }, []],
  ['another order of fields', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
  ['another value', { a: { b: 1 } }, { a: { b: 2 } }, ['a.b: expected 1, is 2']],
  ['another kind', { a: '1' }, { a: 1 }, ['a: expected "1", is 1']],
  ['null is not missing', { a: null }, {}, ['a: missing, expected null']],
  ['too much', {}, { a: null }, ['a: not expected, is null']],
  ['a longer list', [1], [1, 2], ['1: not expected, is 2']],
  ['a list is no object', [], {}, ['(root): expected [], is {}']],
])('%s', (_case, expected, actual, differences) => {
  expect(compareJson(expected, actual)).toEqual(differences);
});

it('lets a varying value vary, but neither its kind nor its presence', () => {
  const varying = ['users.*.id', '**.createdAt'];
  expect(compareJson({ users: [{ id: 1, deep: { createdAt: 'x' } }] }, { users: [{ id: 2, deep: { createdAt: 'y' } }] }, { varying })).toEqual([]);
  expect(compareJson({ users: [{ id: 1 }] }, { users: [{ id: '1' }] }, { varying })).toHaveLength(1);
  expect(compareJson({ createdAt: 'x' }, {}, { varying })).toHaveLength(1);
  expect(compareJson({ other: [{ id: 1 }] }, { other: [{ id: 2 }] }, { varying })).toHaveLength(1);
});

it('does not look at what is ignored', () => {
  expect(compareJson({ a: 1, b: { c: 1 } }, { b: { c: 1, d: 2 } }, { ignored: ['a', /\.d$/] })).toEqual([]);
});
