import type { DropLog } from '../drops.ts';
import { asString, objectsOf, textsOf } from '../fields.ts';
import { asArray, asFields } from '../json.ts';
import type { Fields } from '../json.ts';
import { mapSchemas, resolveReference } from '../schema.ts';

/** Keywords that Gemini's `Schema` has under the same name and meaning. */
const kept: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'nullable',
  'example',
  'pattern',
  'minItems',
  'maxItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
  'minimum',
  'maximum',
  'propertyOrdering',
]);

/** Keywords that are read below, or that change nothing about what may be written. */
const handled: ReadonlySet<string> = new Set([
  'type',
  'format',
  'enum',
  'const',
  'properties',
  'required',
  'items',
  'prefixItems',
  'anyOf',
  'oneOf',
  'allOf',
  '$ref',
  '$defs',
  'definitions',
  '$schema',
  '$id',
  '$comment',
  'examples',
  'additionalProperties',
  'exclusiveMinimum',
  'exclusiveMaximum',
]);

const formats: Record<string, ReadonlySet<string>> = {
  string: new Set(['enum', 'date-time']),
  number: new Set(['float', 'double']),
  integer: new Set(['int32', 'int64']),
};

/** References inside references are followed this far; a recursive type becomes "any object" there. */
const maxReferences = 4;
const maxDepth = 48;

/** JSON Schema → the subset of OpenAPI 3.0 that Gemini calls `Schema`. Undefined for an object without properties, which it refuses. */
export function toGeminiSchema(schema: Fields, drops: DropLog): Fields | undefined {
  const converted = new GeminiSchema(schema, drops).convert(schema, 0, 0);
  const properties = asFields(converted.properties);
  return converted.type === 'object' && (properties === undefined || Object.keys(properties).length === 0) ? undefined : converted;
}

class GeminiSchema {
  readonly #root: Fields;
  readonly #drops: DropLog;

  constructor(root: Fields, drops: DropLog) {
    this.#root = root;
    this.#drops = drops;
  }

  convert(schema: Fields, depth: number, references: number): Fields {
    if (depth > maxDepth) return { type: 'object' };
    if (schema.$ref !== undefined) return this.#reference(schema, depth, references);
    const source = this.#merged(schema);
    const result: Fields = {};
    for (const [name, value] of Object.entries(source)) {
      if (kept.has(name)) result[name] = value;
      else if (!handled.has(name)) this.#drops.add('schema-keywords', name);
    }
    const type = this.#type(source, result);
    this.#union(source, result, depth, references);
    this.#values(source, result, type);
    if (type === 'object' || asFields(source.properties) !== undefined) this.#object(source, result, depth, references);
    if (type === 'array') result.items = this.#items(source, depth, references);
    return result;
  }

  #reference(schema: Fields, depth: number, references: number): Fields {
    const target = references < maxReferences ? resolveReference(this.#root, schema.$ref) : undefined;
    if (target === undefined) {
      this.#drops.add('schema-keywords', '$ref');
      return { type: 'object' };
    }
    const { $ref: _, ...beside } = schema;
    return this.convert({ ...target, ...beside }, depth + 1, references + 1);
  }

  /** `allOf` has no counterpart, but mostly only adds properties. */
  #merged(schema: Fields): Fields {
    const branches = objectsOf(schema.allOf).map((branch) => resolveReference(this.#root, branch.$ref) ?? branch);
    if (branches.length === 0) return schema;
    const { allOf: _, ...rest } = schema;
    return branches.reduce<Fields>((merged, branch) => {
      const properties = { ...asFields(merged.properties), ...asFields(branch.properties) };
      const required = [...new Set([...textsOf(merged.required), ...textsOf(branch.required)])];
      const both: Fields = { ...branch, ...merged };
      if (Object.keys(properties).length > 0) both.properties = properties;
      if (required.length > 0) both.required = required;
      return both;
    }, rest);
  }

  /** A list of types becomes one type, `nullable`, or alternatives. */
  #type(source: Fields, result: Fields): string | undefined {
    const types = textsOf(source.type).map((type) => type.toLowerCase());
    const concrete = types.filter((type) => type !== 'null');
    if (concrete.length < types.length) result.nullable = true;
    if (concrete.length > 1) {
      result.anyOf = concrete.map((type) => (type === 'array' ? { type, items: {} } : { type }));
      return undefined;
    }
    const type = concrete[0] ?? (asFields(source.properties) ? 'object' : asFields(source.items) ? 'array' : impliedType(source));
    if (type !== undefined) result.type = type;
    return type;
  }

  #union(source: Fields, result: Fields, depth: number, references: number): void {
    const options = [...objectsOf(source.anyOf), ...objectsOf(source.oneOf)];
    if (options.length === 0) return;
    const concrete = options.filter((option) => option.type !== 'null');
    if (concrete.length < options.length) result.nullable = true;
    const converted = concrete.map((option) => this.convert(option, depth + 1, references));
    const [only] = converted;
    if (converted.length === 1 && only !== undefined) Object.assign(result, { ...only, ...result });
    // Alternatives may not stand beside a type.
    else if (converted.length > 1) {
      result.anyOf = converted;
      delete result.type;
    }
  }

  #values(source: Fields, result: Fields, type: string | undefined): void {
    const format = asString(source.format);
    if (format !== undefined) {
      if (type !== undefined && formats[type]?.has(format) === true) result.format = format;
      else this.#drops.add('schema-keywords', 'format');
    }
    const values = asArray(source.enum) ?? (source.const === undefined ? undefined : [source.const]);
    if (values !== undefined) {
      const concrete = values.filter((value) => value !== null);
      if (concrete.length < values.length) result.nullable = true;
      if (concrete.every((value) => typeof value === 'string') && (type === undefined || type === 'string')) {
        result.type = 'string';
        result.enum = concrete;
      } else result.description = [asString(result.description) ?? '', `One of: ${JSON.stringify(concrete)}`].join(' ').trim();
    }
    for (const [exclusive, inclusive] of [['exclusiveMinimum', 'minimum'], ['exclusiveMaximum', 'maximum']] as const) {
      if (typeof source[exclusive] !== 'number') continue;
      this.#drops.add('schema-keywords', exclusive);
      result[inclusive] ??= source[exclusive];
    }
  }

  #object(source: Fields, result: Fields, depth: number, references: number): void {
    const properties: Fields = {};
    for (const [name, value] of Object.entries(asFields(source.properties) ?? {})) {
      properties[name] = this.convert(asFields(value) ?? {}, depth + 1, references);
    }
    if (Object.keys(properties).length > 0) result.properties = properties;
    const required = textsOf(source.required).filter((name) => Object.hasOwn(properties, name));
    if (required.length > 0) result.required = required;
    // Free keys cannot be said: at least the model is told.
    if (Object.keys(properties).length === 0 && asFields(source.additionalProperties)) {
      this.#drops.add('schema-keywords', 'additionalProperties');
    }
  }

  #items(source: Fields, depth: number, references: number): Fields {
    const tuple = objectsOf(source.prefixItems ?? source.items);
    const single = asFields(source.items);
    if (single !== undefined) return this.convert(single, depth + 1, references);
    if (tuple.length === 0) return { type: 'string' };
    const options = tuple.map((item) => this.convert(item, depth + 1, references));
    return options.length === 1 ? (options[0] ?? {}) : { anyOf: options };
  }
}

function impliedType(source: Fields): string | undefined {
  const value = source.const ?? asArray(source.enum)?.[0];
  if (typeof value === 'boolean' || typeof value === 'string') return typeof value;
  return typeof value === 'number' ? 'number' : undefined;
}

/** Gemini's `Schema`, with its types in capitals, → JSON Schema. JSON Schema passes unchanged. */
export function fromGeminiSchema(schema: Fields): Fields {
  return mapSchemas(schema, (inner) => {
    const { nullable, propertyOrdering: _, format, type, ...rest } = inner;
    const result: Fields = { ...rest };
    const plain = typeof type === 'string' ? type.toLowerCase() : type;
    if (plain !== undefined && plain !== 'type_unspecified') result.type = nullable === true && typeof plain === 'string' ? [plain, 'null'] : plain;
    else if (nullable === true && Array.isArray(rest.anyOf)) result.anyOf = [...rest.anyOf, { type: 'null' }];
    if (format !== undefined && format !== 'enum') result.format = format;
    return result;
  });
}
