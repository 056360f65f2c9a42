import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** docs/complaints.md says of every complaint which test answers it. Tests are renamed; this notices. */

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const groups = { A: 22, B: 7, C: 16, D: 14, E: 15, F: 13, G: 16, I: 8 };
const ids = Object.entries(groups).flatMap(([group, count]) => Array.from({ length: count }, (_, index) => `${group}${String(index + 1).padStart(2, '0')}`));

interface Row {
  readonly id: string;
  readonly complaint: string;
  readonly answer: string;
}
const rows: readonly Row[] = [...readFileSync(`${root}docs/complaints.md`, 'utf8').matchAll(/^\| ([A-Z]\d\d) \| (.*?) \| (.*) \|$/gm)].map(
  ([, id = '', complaint = '', answer = '']) => ({ id, complaint, answer }),
);
const testsOf = (row: Row) => [...row.answer.matchAll(/`([^`]+\.ts) › ([^`]+)`/g)].map(([, file = '', title = '']) => ({ id: row.id, file, title }));

/** What is wrong with a named test; undefined = it is there, and its title or the line before it has the number. */
function problemOf({ id, file, title }: { id: string; file: string; title: string }): string | undefined {
  const path = root + file.replace(/^complaints\//, 'apps/data-plane/test/complaints/');
  if (!existsSync(path)) return `${id}: there is no file ${file}`;
  const source = readFileSync(path, 'utf8').replaceAll("\\'", "'");
  const escaped = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const at = new RegExp(`\\(\\s*(['"\`])${escaped}\\1`).exec(source)?.index;
  if (at === undefined) return `${id}: there is no test "${title}" in ${file}`;
  const before = source.slice(0, at).split('\n').slice(-2).join('\n');
  return new RegExp(`\\b${id}\\b`).test(`${before} ${title}`) ? undefined : `${id}: "${title}" in ${file} does not carry the number`;
}

describe('the table of complaints', () => {
  it('has every complaint once, in few words', () => {
    expect(rows.map((row) => row.id)).toEqual(ids);
    for (const { id, complaint } of rows) {
      expect(complaint.split(/\s+/).length, id).toBeLessThanOrEqual(12);
      expect(complaint.length, id).toBeGreaterThan(10);
    }
  });

  it('answers each with a test, or says in one sentence why there is nothing to test', () => {
    const without = rows.filter((row) => testsOf(row).length === 0);
    for (const { id, answer } of without) expect(answer, id).toMatch(/^[A-Z](?:\S+ ){8,}\S+\.$/);
    expect(without.length).toBeLessThan(5);
  });

  it('names tests that exist and carry its numbers', () => {
    expect(rows.flatMap(testsOf).map(problemOf).filter((problem) => problem !== undefined)).toEqual([]);
  });
});
