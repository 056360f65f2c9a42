import { asFields } from './json.ts';
import type { Fields } from './json.ts';
import { objectsOf, textsOf } from './fields.ts';

/** Nesting beyond this is cut: no tool needs it, and a schema may be made to blow the stack. */
const maxDepth = 48;

/** Keywords whose value is one schema, a list of schemas, a map of schemas. */
const one = ['items', 'additionalProperties', 'contains', 'propertyNames', 'not', 'if', 'then', 'else', 'unevaluatedProperties'];
const lists = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];
const maps = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];

/** `schema` with `change` applied to every schema in it, inner ones first. */
export function mapSchemas(schema: Fields, change: (schema: Fields) => Fields, depth = 0): Fields {
  if (depth > maxDepth) return {};
  const inner = (value: unknown): unknown => {
    const fields = asFields(value);
    return fields === undefined ? value : mapSchemas(fields, change, depth + 1);
  };
  const result: Fields = {};
  for (const [name, value] of Object.entries(schema)) {
    const map = maps.includes(name) ? asFields(value) : undefined;
    if (map !== undefined) result[name] = Object.fromEntries(Object.entries(map).map(([key, item]) => [key, inner(item)]));
    else if (Array.isArray(value) && (lists.includes(name) || name === 'items')) result[name] = value.map(inner);
    else result[name] = one.includes(name) ? inner(value) : value;
  }
  return change(result);
}

/** What a local reference (`#/$defs/x`) points to in `root`; undefined for any other. */
export function resolveReference(root: Fields, reference: unknown): Fields | undefined {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined;
  let target: Fields | undefined = root;
  for (const step of reference.slice(1).split('/').slice(1)) {
    target = asFields(target?.[decodeStep(step)]);
  }
  return target;
}

function decodeStep(step: string): string {
  const plain = step.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

/**
 * A tool's schema as Anthropic and OpenAI take it: an object at the root with `properties`, without `$schema`, and without
 * alternatives at the root, which both refuse there; those are merged into one object that allows what any of them allows.
 */
export function objectSchema(schema: Fields | undefined): Fields {
  const { $schema: _, ...rest } = schema ?? {};
  const { anyOf, oneOf, allOf, not: __, if: ___, then: ____, else: _____, ...root } = rest;
  const merged: Fields = 'anyOf' in rest || 'oneOf' in rest || 'allOf' in rest ? root : rest;
  const properties: Fields = { ...asFields(merged.properties) };
  let required = textsOf(merged.required);
  for (const branch of branches(rest, allOf)) {
    Object.assign(properties, asFields(branch.properties));
    required = [...new Set([...required, ...textsOf(branch.required)])];
  }
  for (const union of [anyOf, oneOf]) {
    const options = branches(rest, union);
    for (const option of options) Object.assign(properties, { ...asFields(option.properties), ...properties });
    required = [...new Set([...required, ...inAll(options.map((option) => textsOf(option.required)))])];
  }
  const result: Fields = { ...merged, type: 'object', properties };
  if (required.length > 0) result.required = required.filter((name) => Object.hasOwn(properties, name));
  return result;
}

function branches(root: Fields, union: unknown): Fields[] {
  return objectsOf(union).map((branch) => resolveReference(root, branch.$ref) ?? branch);
}

function inAll(nameLists: string[][]): string[] {
  const [first, ...others] = nameLists;
  return (first ?? []).filter((name) => others.every((list) => list.includes(name)));
}

/** OpenAI refuses arrays that do not say what is in them. */
export function withItems(schema: Fields): Fields {
  return mapSchemas(schema, (inner) => (inner.type === 'array' && inner.items === undefined ? { ...inner, items: {} } : inner));
}

/** OpenAI's strict mode would take the schema: every object is closed and all its properties are required. */
export function isStrictSchema(schema: Fields): boolean {
  let strict = schema.type === 'object';
  mapSchemas(schema, (inner) => {
    const properties = asFields(inner.properties);
    if (inner.type === 'object' || properties !== undefined) {
      const required = textsOf(inner.required);
      if (inner.additionalProperties !== false) strict = false;
      if (Object.keys(properties ?? {}).some((name) => !required.includes(name))) strict = false;
    }
    if ('oneOf' in inner || 'allOf' in inner || 'not' in inner || 'patternProperties' in inner) strict = false;
    return inner;
  });
  return strict;
}
