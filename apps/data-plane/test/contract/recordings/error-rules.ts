import { readFileSync } from 'node:fs';
import { create, type wire as Wire, wire } from '@hub/contract';
import { goldenFolder } from '@hub/testkit';

let rules: Wire.Entity['entity'][] | undefined;

/** The rules that v0.3.42 ships, as they stand in its recorded database. */
export function errorRules(): Wire.Entity['entity'][] {
  rules ??= read();
  return rules;
}

function read(): Wire.Entity['entity'][] {
  const dump = readFileSync(`${goldenFolder}existing-db.sql`, 'utf8');
  const table = /^COPY public\.error_rules \((.+?)\) FROM stdin;\n([^]*?)\n\\\.$/m.exec(dump);
  const names = table?.[1]?.split(', ') ?? [];
  const rows = (table?.[2] ?? '').split('\n').map((line) => {
    const values = line.split('\t').map(unescaped);
    return Object.fromEntries(names.map((name, index) => [name, values[index]]));
  });
  return rows.filter((row) => row['is_default'] === 't' && row['is_enabled'] === 't').map(ruleOf);
}

function ruleOf(row: Record<string, string | undefined>): Wire.Entity['entity'] {
  const value = create(wire.ErrorRuleSchema, {
    id: Number(row['id']),
    pattern: row['pattern'] ?? '',
    matchType: row['match_type'] ?? '',
    category: row['category'] ?? '',
    description: row['description'] ?? '',
    priority: Number(row['priority']),
    overrideResponseJson: row['override_response'] ?? '',
  });
  return { case: 'errorRule', value };
}

/** COPY's text format: `\N` is null, a backslash escapes. */
function unescaped(value: string): string | undefined {
  return value === '\\N' ? undefined : value.replace(/\\(.)/g, (_match, character: string) => ({ n: '\n', t: '\t', r: '\r' })[character] ?? character);
}
