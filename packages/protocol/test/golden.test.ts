import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SseDecoder, dialects, parseUsage, usageTotal, validateStream } from '../src/index.ts';
import type { SseEvent } from '../src/index.ts';
import { caseNames } from './cases/names.ts';
import { parsePage, runPage } from './golden-page.ts';

const folder = new URL('../golden/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

function eventsOf(frames: string): SseEvent[] {
  const decoder = new SseDecoder();
  return [...decoder.push(new TextEncoder().encode(`${frames}\n\n`)), ...decoder.end()];
}

describe('golden pages', () => {
  it('exist for every pair and every case', () => {
    const wanted = dialects.flatMap((client) =>
      dialects.filter((upstream) => upstream !== client).flatMap((upstream) => caseNames.map((name) => `${client}-to-${upstream}.${name}.txt`)),
    );
    expect(wanted.filter((name) => !files.includes(name))).toEqual([]);
  });

  it.each(files)('%s', (fileName) => {
    const page = parsePage(fileName, readFileSync(new URL(fileName, folder), 'utf8'));
    const { outputs } = runPage(page);
    expect(Object.fromEntries(outputs)).toEqual(Object.fromEntries(page.outputs));
  });

  it.each(files)('%s: the frames are legal in the client dialect', (fileName) => {
    const page = parsePage(fileName, readFileSync(new URL(fileName, folder), 'utf8'));
    const frames = page.outputs.get('client frames');
    if (frames === undefined) return;
    expect(validateStream(page.client, eventsOf(frames))).toEqual([]);
  });

  it.each(files)('%s: no token is lost or counted twice', (fileName) => {
    const page = parsePage(fileName, readFileSync(new URL(fileName, folder), 'utf8'));
    const [asked, answered] = [page.inputs.get('upstream answer'), page.outputs.get('client answer')];
    if (asked === undefined || answered?.startsWith('{') !== true) return;
    const [before, after] = [parseUsage(page.upstream, JSON.parse(asked)), parseUsage(page.client, JSON.parse(answered))];
    if (before === undefined) return;
    expect(after && usageTotal(after)).toBe(usageTotal(before));
    expect(after?.output).toBe(before.output);
    expect(after?.cacheRead).toBe(before.cacheRead);
  });
});
