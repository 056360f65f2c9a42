import type { ClientBase } from 'pg';

/**
 * One line for each thing in the schema: `table t`, `column t.c <type> [not null] [default …]`, `constraint …`,
 * `index …`, `enum …`. Equal schemas give equal lines, whatever the schema is called.
 *
 * @param client in a transaction, whose search_path is changed
 */
export async function readCatalogue(client: ClientBase, schema: string): Promise<string[]> {
  // PostgreSQL leaves the schema's name out of everything that it would find without.
  await client.query(`SELECT set_config('search_path', quote_ident($1), true)`, [schema]);
  const { rows } = await client.query<{ line: string }>(catalogueQuery, [schema]);
  return rows.map(({ line }) => line);
}

/** Expected lines that are not there. What is there in addition does not matter. */
export function missingFrom(actual: readonly string[], expected: readonly string[]): string[] {
  const present = new Set(actual);
  return expected.filter((line) => !present.has(line));
}

// relkind r and p are tables; contype n (not null) is a constraint of its own only since PostgreSQL 18 and told by the
// column anyway; deptype i and e are objects that belong to others.
const catalogueQuery = `
WITH relations AS (
  SELECT relation.oid, relname AS name FROM pg_class relation JOIN pg_namespace space ON space.oid = relnamespace
   WHERE nspname = $1 AND relkind IN ('r', 'p') AND relname <> '_prisma_migrations'
)
SELECT line FROM (
  SELECT 'table ' || name AS line FROM relations
  UNION ALL
  SELECT 'column ' || name || '.' || attname || ' ' || format_type(atttypid, atttypmod)
         || CASE WHEN attnotnull THEN ' not null' ELSE '' END
         || coalesce(' default ' || pg_get_expr(adbin, adrelid), '')
    FROM relations JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  UNION ALL
  SELECT 'constraint ' || name || ' ' || conname || ' ' || pg_get_constraintdef(pg_constraint.oid, true)
    FROM relations JOIN pg_constraint ON conrelid = relations.oid AND contype <> 'n'
  UNION ALL
  SELECT 'index ' || pg_get_indexdef(indexrelid, 0, true) FROM relations JOIN pg_index ON indrelid = relations.oid
  UNION ALL
  SELECT 'enum ' || typname || ' ' || string_agg(enumlabel, ',' ORDER BY enumsortorder)
    FROM pg_type JOIN pg_namespace space ON space.oid = typnamespace JOIN pg_enum ON enumtypid = pg_type.oid
   WHERE nspname = $1 GROUP BY typname
) lines ORDER BY line COLLATE "C"`;
