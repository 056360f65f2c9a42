import { existsSync, readFileSync } from 'node:fs';

/** A database dump of the predecessor, when the checkout has it beside it. */
export const DUMP = new URL('../../../../shared/golden/existing-db.sql', import.meta.url);

export function dumpIsThere(): boolean {
  return existsSync(DUMP);
}

/** The rows of one table of a plain-text pg_dump, NULL as undefined. */
export function tableRows(sql: string, table: string): Record<string, string | undefined>[] {
  const head = new RegExp(`^COPY public\\.${table} \\(([^)]*)\\) FROM stdin;$`, 'm').exec(sql);
  if (head === null) throw new Error(`no COPY block of ${table}`);
  const columns = (head[1] ?? '').split(', ').map((name) => name.replaceAll('"', ''));
  const start = head.index + head[0].length + 1;
  const block = sql.slice(start, sql.indexOf('\n\\.\n', start));
  return block.split('\n').map((line) => {
    const cells = line.split('\t');
    return Object.fromEntries(columns.map((column, index) => [column, unescaped(cells[index])]));
  });
}

function unescaped(cell: string | undefined): string | undefined {
  if (cell === undefined || cell === '\\N') return undefined;
  const special: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
  return cell.replace(/\\(.)/g, (_, character: string) => special[character] ?? character);
}

export function readDump(): string {
  return readFileSync(DUMP, 'utf8');
}
