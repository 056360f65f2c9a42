import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, samples, streamOf } from '../test/samples.ts';
import { dialects, encodeSse, encodeSseBytes, SseDecoder, SseEventTooLarge, utf8Length } from './index.ts';
import type { SseDecoderOptions, SseEvent } from './index.ts';

function decode(chunks: readonly Uint8Array[], options?: SseDecoderOptions): SseEvent[] {
  const decoder = new SseDecoder(options);
  const events = chunks.flatMap((chunk) => decoder.push(chunk));
  return [...events, ...decoder.end()];
}

/** `bytes` in pieces of at most `size`. */
function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size));
}

function splitAt(bytes: Uint8Array, at: number): Uint8Array[] {
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

function event(data: string, type = '', id?: string): SseEvent {
  return id === undefined ? { event: type, data } : { event: type, data, id };
}

describe('decoding', () => {
  const cases: [string, string, SseEvent[]][] = [
    ['a named event', 'event: ping\ndata: {}\n\n', [event('{}', 'ping')]],
    ['no space after the colon', 'event:ping\ndata:{}\n\n', [event('{}', 'ping')]],
    ['only one space is dropped', 'data:  x\n\n', [event(' x')]],
    ['data before the event', 'data: 1\nevent: a\n\n', [event('1', 'a')]],
    ['lines of CR', 'event: a\rdata: 1\r\rdata: 2\r\r', [event('1', 'a'), event('2')]],
    ['lines of CRLF', 'event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n', [event('1', 'a'), event('2')]],
    ['mixed line ends', 'data: 1\r\n\ndata: 2\r\rdata: 3\n\r\n', [event('1'), event('2'), event('3')]],
    ['a byte order mark', '\uFEFFdata: 1\n\n', [event('1')]],
    ['a mark that is text', 'data: \uFEFF1\n\n\uFEFFdata: 2\n\ndata: 3\n\n', [event('\uFEFF1'), event('3')]],
    ['comments', ': hello\n\n:\ndata: 1\n: between\n\n', [event('1')]],
    ['several data lines', 'data: a\ndata:\ndata: b\n\n', [event('a\n\nb')]],
    ['empty data', 'data:\n\ndata\n\n', [event(''), event('')]],
    ['an event without data', 'event: a\n\ndata: 1\n\n', [event('1')]],
    ['ids', 'id: 7\ndata: 1\n\ndata: 2\n\nid: a\0b\ndata: 3\n\n', [event('1', '', '7'), event('2'), event('3')]],
    ['unknown fields', 'retry: 3\nfoo: bar\nbar\ndatax: 1\ndata: 1\n\n', [event('1')]],
    ['a field with spaces before it', ' data: 1\n\ndata: 2\n\n', [event('2')]],
    ['a missing blank line at the end', 'event: a\ndata: 1\n', [event('1', 'a')]],
    ['a missing line end at the end', 'event: a\ndata: 1', [event('1', 'a')]],
    ['many blank lines', '\n\n\ndata: 1\n\n\n\n', [event('1')]],
    ['characters of all lengths', 'data: é漢🌦\n\n', [event('é漢🌦')]],
    ['an empty event type', 'event: a\nevent:\ndata: 1\n\nevent: b\nevent\ndata: 2\n\n', [event('1'), event('2')]],
    ['nothing', '', []],
  ];

  it.each(cases)('%s', (_, text, events) => {
    expect(decode([bytesOf(text)])).toEqual(events);
  });

  it.each(cases)('%s, split at every byte and in single bytes', (_, text, events) => {
    const bytes = bytesOf(text);
    for (let at = 0; at <= bytes.length; at += 1) expect(decode(splitAt(bytes, at))).toEqual(events);
    expect(decode(pieces(bytes, 1))).toEqual(events);
  });

  it.each(dialects)('%s: a whole stream in pieces of any size gives the same events', (dialect) => {
    const bytes = streamOf(samples[dialect]);
    for (const size of [1, 2, 3, 7, 64, 1000, bytes.length]) expect(decode(pieces(bytes, size))).toEqual(samples[dialect]);
  });

  it('any text in any pieces gives the same events as in one', () => {
    const line = fc.constantFrom('data: é🌦', 'data:', 'data', 'event: a', 'id: 1', ': c', '', '', '\uFEFF', 'x');
    const text = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')).map((pair) => pair.join('')), { maxLength: 20 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(9), { maxLength: 60 }), (lines, sizes) => {
        const bytes = bytesOf(lines.join(''));
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const size of sizes) {
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(decode([...chunks, bytes.subarray(at)])).toEqual(decode([bytes]));
      }),
    );
  });

  it('bytes that are no UTF-8 become replacement characters', () => {
    expect(decode([bytesOf('data: a'), new Uint8Array([0xff, 0xc3]), bytesOf('b\n\n')])).toEqual([event('a\uFFFD\uFFFDb')]);
  });
});

describe('events above the ceiling', () => {
  it.each([1, 3, 100, 4096])('throws once the event is larger, in pieces of %i, and keeps nothing', (size) => {
    const decoder = new SseDecoder({ maxEventBytes: 1000 });
    expect(decoder.push(bytesOf('data: ok\n\n'))).toEqual([event('ok')]);
    const chunks = pieces(bytesOf(`data: ${'x'.repeat(5000)}\n\n`), size);
    const fatal = chunks.findIndex((chunk) => {
      try {
        decoder.push(chunk);
        return false;
      } catch (error) {
        expect(error).toBeInstanceOf(SseEventTooLarge);
        return true;
      }
    });
    // Not only when the line ends.
    expect(fatal * size).toBeLessThanOrEqual(1000);
    expect(() => decoder.push(bytesOf('data: 1\n\n'))).toThrow(SseEventTooLarge);
    expect(() => decoder.end()).toThrow(SseEventTooLarge);
  });

  it('counts all lines of an event, in bytes, but not its comments', () => {
    const lines = 'data: 345\n: 012345\n: 012345\ndata: 漢\n';
    expect(decode([bytesOf(`${lines}\n`)], { maxEventBytes: 18 })).toHaveLength(1);
    expect(() => decode([bytesOf(`${lines}\n`)], { maxEventBytes: 17 })).toThrow(SseEventTooLarge);
    expect(decode(pieces(bytesOf(': 0123456789\n'.repeat(50)), 5), { maxEventBytes: 12 })).toEqual([]);
  });

  it('an exact fit passes and one byte more does not, however the stream is cut', () => {
    const bytes = bytesOf('event: a\ndata: 漢字\n\ndata: 2\n\n');
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(decode(splitAt(bytes, at), { maxEventBytes: 20 })).toHaveLength(2);
      expect(() => decode(splitAt(bytes, at), { maxEventBytes: 19 })).toThrow(SseEventTooLarge);
    }
  });

  it.each(['\n', '\r', '\r\n'])('may be dropped instead, and decoding goes on (line ends %j)', (end) => {
    const dropped: string[] = [];
    const options: SseDecoderOptions = { maxEventBytes: 30, onTooLarge: (name) => dropped.push(name) };
    const large = `event: big${end}data: ${'x'.repeat(50)}${end}data: more${end}${end}`;
    const bytes = bytesOf(`data: 1${end}${end}${large}data: 2${end}${end}${large}data: 3${end}${end}`);
    for (const size of [1, 2, 5, 31, 64, bytes.length]) {
      expect(decode(pieces(bytes, size), options)).toEqual([event('1'), event('2'), event('3')]);
      expect(dropped.splice(0)).toEqual(['big', 'big']);
    }
  });
});

describe('encoding', () => {
  it('writes an event', () => {
    expect(encodeSse(event('{}', 'ping', '1'))).toBe('id: 1\nevent: ping\ndata: {}\n\n');
    expect(encodeSse(event('a\r\nb\rc\n'))).toBe('data: a\ndata: b\ndata: c\ndata: \n\n');
    expect(encodeSseBytes(event('漢'))).toEqual(bytesOf('data: 漢\n\n'));
  });

  it('what is written can be read', () => {
    const word = fc.stringMatching(/^[a-z._]{0,8}$/);
    const data = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\r', '').replaceAll('\0', ''));
    fc.assert(
      fc.property(fc.array(fc.tuple(data, word), { maxLength: 5 }), fc.integer({ min: 1, max: 40 }), (list, size) => {
        const events = list.map(([text, name]) => event(text.toWellFormed(), name));
        expect(decode(pieces(streamOf(events), size))).toEqual(events);
      }),
    );
  });

  it('the length in UTF-8 is that of the encoder', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(utf8Length(text)).toBe(bytesOf(text).length);
      }),
    );
    for (const text of ['\ud83c', '\udf26', '\udf26\ud83c', 'a\ud83cb', '🌦']) expect(utf8Length(text)).toBe(bytesOf(text).length);
  });
});
