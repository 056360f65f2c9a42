import type { ClientBase } from 'pg';
import { inTransaction, withClient } from './connection.ts';

/** PostgreSQL takes at most 65535 parameters in one statement. */
const maxParameters = 60_000;

/**
 * Loads a plain-text dump (`pg_dump` without `--format`) into an empty database, without psql: COPY blocks become INSERTs.
 * All or nothing.
 *
 * @param script the whole dump
 */
export async function loadDump(url: string, script: string): Promise<void> {
  await withClient(url, (client) =>
    inTransaction(client, async () => {
      for (const part of splitDump(script)) {
        if (part.kind === 'sql') await client.query(part.text);
        else await insertRows(client, part);
      }
    }),
  );
}

type DumpPart = { kind: 'sql'; text: string } | { kind: 'copy'; target: string; rows: (string | null)[][] };

function* splitDump(script: string): Generator<DumpPart> {
  let sql: string[] = [];
  const lines = script.split('\n')[Symbol.iterator]();
  for (const line of lines) {
    // Instructions to psql, such as \restrict.
    if (line.startsWith('\\')) continue;
    const copy = /^COPY (.+ \(.+\)) FROM stdin;$/.exec(line);
    if (copy === null) {
      sql.push(line);
      continue;
    }
    yield { kind: 'sql', text: sql.join('\n') };
    sql = [];
    const rows: (string | null)[][] = [];
    for (let row = lines.next(); row.done !== true && row.value !== '\\.'; row = lines.next()) rows.push(parseCopyRow(row.value));
    yield { kind: 'copy', target: copy[1] ?? '', rows };
  }
  yield { kind: 'sql', text: sql.join('\n') };
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** One line of COPY's text format: columns between tabs, \N for null, C-like escapes. */
function parseCopyRow(line: string): (string | null)[] {
  return line.split('\t').map((column) => (column === '\\N' ? null : column.replace(/\\(.)/g, (_, escaped: string) => escapes[escaped] ?? escaped)));
}

async function insertRows(client: ClientBase, { target, rows }: { target: string; rows: (string | null)[][] }): Promise<void> {
  const width = rows[0]?.length ?? 0;
  const rowsAtOnce = Math.max(1, Math.floor(maxParameters / Math.max(1, width)));
  for (let from = 0; from < rows.length; from += rowsAtOnce) {
    const chunk = rows.slice(from, from + rowsAtOnce);
    const values = chunk.map((_, row) => `(${Array.from({ length: width }, (__, column) => `$${row * width + column + 1}`).join(',')})`);
    await client.query(`INSERT INTO ${target} VALUES ${values.join(',')}`, chunk.flat());
  }
}
