import type { DropLog } from '../drops.ts';
import { asFields } from '../json.ts';
import type { Fields } from '../json.ts';
import { mapSchemas } from '../schema.ts';

/** Keywords that Anthropic's structured output refuses; they limit values, not shapes. */
const unsupported: ReadonlySet<string> = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  '$schema',
]);

/** The schema of an answer as Anthropic takes it: closed objects, no limits on values. */
export function closedSchema(schema: Fields, drops: DropLog): Fields {
  return mapSchemas(schema, (inner) => {
    const kept: Fields = {};
    for (const [name, value] of Object.entries(inner)) {
      // Only 0 and 1 are understood for minItems.
      if (unsupported.has(name) || (name === 'minItems' && value !== 0 && value !== 1)) {
        if (name !== '$schema') drops.add('schema-keywords', name);
      } else kept[name] = value;
    }
    if (kept.type === 'object' || asFields(kept.properties) !== undefined) kept.additionalProperties = false;
    return kept;
  });
}
