import { describe, expect, it } from 'vitest';
import { DropLog } from '../drops.ts';
import { fromGeminiSchema, toGeminiSchema } from './schema.ts';

function property(schema: Record<string, unknown>): unknown {
  const converted = toGeminiSchema({ type: 'object', properties: { a: schema } }, new DropLog('anthropic', 'gemini'));
  return (converted?.properties as Record<string, unknown> | undefined)?.a;
}

describe('to Gemini', () => {
  it.each([
    ['a list of types', { type: ['string', 'null'] }, { type: 'string', nullable: true }],
    ['several types', { type: ['string', 'integer'] }, { anyOf: [{ type: 'string' }, { type: 'integer' }] }],
    ['a constant', { const: 'x' }, { type: 'string', enum: ['x'] }],
    ['numbers to choose from', { type: 'integer', enum: [1, 2] }, { type: 'integer', description: 'One of: [1,2]' }],
    ['an alternative to null', { anyOf: [{ type: 'number' }, { type: 'null' }], description: 'd' }, { type: 'number', nullable: true, description: 'd' }],
    ['alternatives beside a type', { type: 'object', oneOf: [{ type: 'string' }, { type: 'boolean' }] }, { anyOf: [{ type: 'string' }, { type: 'boolean' }] }],
    ['formats', { type: 'string', format: 'email' }, { type: 'string' }],
    ['formats that it knows', { type: 'string', format: 'date-time' }, { type: 'string', format: 'date-time' }],
    ['an open list', { type: 'array' }, { type: 'array', items: { type: 'string' } }],
    ['a tuple', { type: 'array', items: [{ type: 'string' }] }, { type: 'array', items: { type: 'string' } }],
    ['exclusive limits', { type: 'number', exclusiveMinimum: 3 }, { type: 'number', minimum: 3 }],
    ['a closed object', { type: 'object', properties: { b: {} }, required: ['b', 'gone'], additionalProperties: false }, { type: 'object', properties: { b: {} }, required: ['b'] }],
    ['keywords that it refuses', { type: 'string', propertyNames: {}, unevaluatedProperties: false, not: {}, minLength: 2 }, { type: 'string', minLength: 2 }],
    ['a property called type', { type: 'object', properties: { type: { type: 'string' } } }, { type: 'object', properties: { type: { type: 'string' } } }],
  ])('%s', (_, schema, expected) => {
    expect(property(schema)).toEqual(expected);
  });

  it('says nothing of parameters that are none', () => {
    expect(toGeminiSchema({ type: 'object', properties: {} }, new DropLog('anthropic', 'gemini'))).toBeUndefined();
  });

  it('follows references, but not for ever', () => {
    const schema = { type: 'object', properties: { a: { $ref: '#/$defs/n' } }, $defs: { n: { type: 'object', properties: { next: { $ref: '#/$defs/n' } } } } };
    const text = JSON.stringify(toGeminiSchema(schema, new DropLog('anthropic', 'gemini')));
    expect(text).not.toContain('$ref');
    expect(text.match(/next/g)).toHaveLength(4);
  });
});

it('from Gemini: types in capitals and nullable become JSON Schema', () => {
  const schema = { type: 'OBJECT', properties: { type: { type: 'STRING', format: 'enum', enum: ['a'], nullable: true }, list: { type: 'ARRAY', items: { type: 'INTEGER' } } }, propertyOrdering: ['type'] };
  expect(fromGeminiSchema(schema)).toEqual({ type: 'object', properties: { type: { type: ['string', 'null'], enum: ['a'] }, list: { type: 'array', items: { type: 'integer' } } } });
});
