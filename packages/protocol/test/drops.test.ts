import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AnswerError, ConversionError, convertRequest, convertResponse, dropTable, streamConverter } from '../src/index.ts';
import type { Dialect, Drop, DropCode } from '../src/index.ts';
import { options } from './conversation.ts';
import { parsePage } from './golden-page.ts';
import type { PageContext } from './golden-page.ts';
import { triggers } from './cases/triggers.ts';

interface Seen {
  code: DropCode;
  from: Dialect;
  to: Dialect;
  action: string;
}

function requestDrops(from: Dialect, to: Dialect, body: unknown, context: PageContext): Seen[] {
  try {
    return convertRequest(from, to, body, options(context)).drops;
  } catch (error) {
    if (!(error instanceof ConversionError) || error.code === 'malformed') throw error;
    return [{ code: error.code, from, to, action: 'refused' }];
  }
}

function answerDrops(from: Dialect, to: Dialect, frames: string): Drop[] {
  const converter = streamConverter(from, to, options());
  converter.push(new TextEncoder().encode(`${frames}\n\n`));
  converter.end();
  return converter.drops;
}

const folder = new URL('../golden/', import.meta.url);
const pages = readdirSync(folder).filter((name) => name.endsWith('.txt')).map((name) => parsePage(name, readFileSync(new URL(name, folder), 'utf8')));

const seen: Seen[] = [
  ...pages.flatMap(({ client, upstream, inputs }) => {
    const request = inputs.get('client request');
    const frames = inputs.get('upstream frames');
    return [
      ...(request === undefined ? [] : requestDrops(client, upstream, JSON.parse(request), JSON.parse(inputs.get('context') ?? '{}') as PageContext)),
      ...(frames === undefined ? [] : answerDrops(upstream, client, frames)),
    ];
  }),
  ...triggers.flatMap(({ from, to, request, frames, targetModel = 'm' }) => [
    ...(request === undefined ? [] : requestDrops(from, to, request, { targetModel })),
    ...(frames === undefined ? [] : answerDrops(from, to, frames)),
  ]),
];

describe('the table of what is not carried over', () => {
  it.each(Object.keys(dropTable) as DropCode[])('%s is met in a conversion', (code) => {
    expect(seen.some((drop) => drop.code === code)).toBe(true);
  });

  it('names every dialect in which a row is met', () => {
    const untold = seen.filter(({ code, from, to }) => {
      const row = dropTable[code];
      return !(row.from as readonly Dialect[]).includes(from) || !(row.to as readonly Dialect[]).includes(to);
    });
    expect([...new Set(untold.map(({ code, from, to }) => `${code}: ${from} → ${to}`))]).toEqual([]);
  });

  it('refuses what it says is refused, and nothing else', () => {
    expect([...new Set(seen.filter(({ code, action }) => dropTable[code].action !== action).map(({ code }) => code))]).toEqual([]);
  });
});

it('an answer that is an error is told apart from one that cannot be read', () => {
  const convert = (body: unknown): unknown => convertResponse('anthropic', 'openai-chat', body, options());
  const failure = (body: unknown): unknown => {
    try {
      return convert(body);
    } catch (error) {
      return error instanceof AnswerError ? error.failure : error;
    }
  };
  expect(failure({ type: 'error', error: { type: 'overloaded_error', message: 'Busy' } })).toMatchObject({ status: 529, type: 'overloaded_error', message: 'Busy' });
  expect(failure({ hello: 1 })).toMatchObject({ status: 502, message: expect.stringContaining('cannot be read') as string });
});
