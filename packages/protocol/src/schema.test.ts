import { describe, expect, it } from 'vitest';
import { isStrictSchema, objectSchema, withItems } from './schema.ts';

describe('objectSchema', () => {
  it('always is an object with properties', () => {
    expect(objectSchema(undefined)).toEqual({ type: 'object', properties: {} });
    expect(objectSchema({ $schema: 'x', type: 'object', properties: { a: {} }, required: ['a'] })).toEqual({ type: 'object', properties: { a: {} }, required: ['a'] });
  });

  it('merges alternatives at the root: what all demand stays demanded', () => {
    const schema = {
      $defs: { b: { properties: { b: {}, both: {} }, required: ['b', 'both'] } },
      oneOf: [{ properties: { a: {}, both: {} }, required: ['a', 'both'] }, { $ref: '#/$defs/b' }],
      allOf: [{ properties: { c: {} }, required: ['c'] }],
    };
    expect(objectSchema(schema)).toEqual({ $defs: schema.$defs, type: 'object', properties: { a: {}, b: {}, both: {}, c: {} }, required: ['c', 'both'] });
  });

  it('leaves alternatives inside alone', () => {
    const properties = { a: { anyOf: [{ type: 'string' }, { type: 'null' }] } };
    expect(objectSchema({ type: 'object', properties }).properties).toEqual(properties);
  });
});

it('withItems says of every array that it holds something, also of a property called items', () => {
  const schema = { type: 'object', properties: { items: { type: 'array' }, deep: { type: 'array', items: { type: 'array' } } } };
  expect(withItems(schema)).toEqual({ type: 'object', properties: { items: { type: 'array', items: {} }, deep: { type: 'array', items: { type: 'array', items: {} } } } });
});

it('isStrictSchema wants every object closed and every property required', () => {
  const inner = { type: 'object', properties: { b: {} }, required: ['b'], additionalProperties: false };
  const schema = { type: 'object', properties: { a: inner }, required: ['a'], additionalProperties: false };
  expect(isStrictSchema(schema)).toBe(true);
  expect(isStrictSchema({ ...schema, properties: { a: { ...inner, required: [] } } })).toBe(false);
  expect(isStrictSchema({ ...schema, additionalProperties: true })).toBe(false);
});

it('a schema nested without end is cut, not followed', () => {
  let schema: Record<string, unknown> = { type: 'string' };
  for (let depth = 0; depth < 20_000; depth += 1) schema = { type: 'object', properties: { a: schema } };
  expect(JSON.stringify(withItems(schema)).length).toBeLessThan(5000);
});
