import { describe, expect, it } from 'vitest';
import { bytesOf } from '../test/samples.ts';
import { JsonSplitter } from './json-splitter.ts';

function split(text: string, size: number, maxObjectBytes = 1000): { texts: string[]; dropped: number } {
  let dropped = 0;
  const splitter = new JsonSplitter({ maxObjectBytes, onTooLarge: () => (dropped += 1) });
  const bytes = bytesOf(text);
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; at += size) texts.push(...splitter.push(bytes.subarray(at, at + size)));
  return { texts, dropped };
}

describe('objects of a stream', () => {
  const objects = [{ a: { b: [1, {}] } }, { text: '}{' }, { text: '"{' }, { text: '{\\"' }, { text: '\\' }, { '漢"': '🌦}' }, {}].map((value) =>
    JSON.stringify(value),
  );

  it.each([1, 2, 3, 10, 1000])('are cut apart whatever their strings hold, in pieces of %i', (size) => {
    for (const text of [`[${objects.join(',\r\n')}]`, objects.join('\n'), objects.join('')]) {
      expect(split(text, size)).toEqual({ texts: objects, dropped: 0 });
    }
  });

  it('anything between them is passed over', () => {
    expect(split('[1,null]}],{"a":1} x', 1).texts).toEqual(['{"a":1}']);
  });

  it('an unfinished one is none', () => {
    expect(split('[{"a":1},{"a":', 4).texts).toEqual(['{"a":1}']);
  });

  it.each([1, 7, 30])('one above the ceiling is told once and left out, in pieces of %i', (size) => {
    const large = JSON.stringify({ text: 'x'.repeat(300) });
    expect(split(`[{"a":1},${large},{"a":2}]`, size, 100)).toEqual({ texts: ['{"a":1}', '{"a":2}'], dropped: 1 });
  });
});
