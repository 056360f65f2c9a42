import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { streamConverter } from '../src/index.ts';
import { options } from './conversation.ts';
import { parsePage } from './golden-page.ts';

const folder = new URL('../golden/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

/** The client's text for the upstream's bytes, cut after every `size` bytes. */
function converted(fileName: string, size: number): string | undefined {
  const page = parsePage(fileName, readFileSync(new URL(fileName, folder), 'utf8'));
  const frames = page.inputs.get('upstream frames');
  if (frames === undefined) return undefined;
  const converter = streamConverter(page.upstream, page.client, options({ includeUsage: true }));
  const bytes = new TextEncoder().encode(`${frames}\n\n`);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += size) pieces.push(...converter.push(bytes.subarray(start, start + size)));
  pieces.push(...converter.end());
  return pieces.map((piece) => new TextDecoder().decode(piece)).join('');
}

it.each(files)('%s: cut after every byte, the client sees the same', (fileName) => {
  expect(converted(fileName, 1)).toBe(converted(fileName, 1_000_000));
});
