import { asFields, asList, asText, type Fields } from './fields.ts';

const deepest = 12;

/**
 * A small value that fits a JSON Schema, so that programs which parse what a model answers find what they asked for.
 * Knows the parts that tools use: type, properties, required, items, enum, const, anyOf, default, minimum, $ref.
 *
 * @param text what to put where any text will do
 */
export function exampleOf(schema: unknown, text: string): unknown {
  return build(asFields(schema) ?? {}, asFields(schema) ?? {}, text, deepest);
}

function build(schema: Fields, root: Fields, text: string, depth: number): unknown {
  if (depth === 0) return null;
  if ('const' in schema) return schema['const'];
  if ('default' in schema) return schema['default'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  const inner = referenced(schema, root) ?? firstChoice(schema);
  if (inner !== undefined) return build(inner, root, text, depth - 1);
  switch (typeOf(schema)) {
    case 'object':
      return buildObject(schema, root, text, depth);
    case 'array': {
      const items = asFields(schema['items']);
      return items === undefined || !(Number(schema['minItems']) > 0) ? [] : [build(items, root, text, depth - 1)];
    }
    case 'integer':
    case 'number':
      return typeof schema['minimum'] === 'number' ? schema['minimum'] : 1;
    case 'boolean':
      return false;
    case 'null':
      return null;
    default:
      return text.slice(0, typeof schema['maxLength'] === 'number' ? schema['maxLength'] : undefined);
  }
}

function buildObject(schema: Fields, root: Fields, text: string, depth: number): Record<string, unknown> {
  const properties = asFields(schema['properties']) ?? {};
  const required = asList(schema['required']);
  const wanted = Object.entries(properties).filter(([name]) => required.length === 0 || required.includes(name));
  return Object.fromEntries(wanted.map(([name, property]) => [name, build(asFields(property) ?? {}, root, text, depth - 1)]));
}

/** JSON Schema writes types in lower case and may list several; Gemini writes them in upper case. */
function typeOf(schema: Fields): string {
  const type = Array.isArray(schema['type']) ? schema['type'].find((item) => item !== 'null') : schema['type'];
  return asText(type)?.toLowerCase() ?? (schema['properties'] === undefined ? 'string' : 'object');
}

function firstChoice(schema: Fields): Fields | undefined {
  const choices = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf'];
  return asFields(asList(choices)[0]);
}

function referenced(schema: Fields, root: Fields): Fields | undefined {
  const reference = asText(schema['$ref']);
  if (reference === undefined || !reference.startsWith('#/')) return undefined;
  let target: Fields | undefined = root;
  for (const step of reference.slice(2).split('/')) target = asFields(target?.[step]);
  return target;
}
