import { convertRequest, convertResponse, streamConverter } from '../src/index.ts';
import type { AnswerOptions, Dialect, Drop, ToolNames } from '../src/index.ts';

/** A golden page: what goes in (`---` sections, kept) and what comes out (`===` sections, checked or written anew). */
export interface Page {
  client: Dialect;
  upstream: Dialect;
  inputs: Map<string, string>;
  outputs: Map<string, string>;
}

export interface PageContext {
  targetModel: string;
  sameProvider?: boolean;
}

const heading = /^(---|===) (.+) \1$/;

/** A page from its file's name, `<client>-to-<upstream>.<case>.txt`, and text. */
export function parsePage(fileName: string, text: string): Page {
  const [client, upstream] = (fileName.split('.')[0] ?? '').split('-to-');
  const page: Page = { client: client as Dialect, upstream: upstream as Dialect, inputs: new Map(), outputs: new Map() };
  let section: { name: string; target: Map<string, string> } | undefined;
  let lines: string[] = [];
  const close = (): void => {
    if (section !== undefined) section.target.set(section.name, lines.join('\n').replace(/\n+$/, ''));
    lines = [];
  };
  // Only line feeds end a line here: pages hold other line separators as content.
  for (const line of text.split('\n')) {
    const match = heading.exec(line);
    if (match === null) lines.push(line);
    else {
      close();
      section = { name: match[2] ?? '', target: match[1] === '---' ? page.inputs : page.outputs };
    }
  }
  close();
  return page;
}

/** The page as text, every output after the input that it comes from. */
export function formatPage(page: Page): string {
  const order = [
    ['context', 'client request'],
    ['upstream request', 'drops'],
    ['upstream answer'],
    ['client answer'],
    ['upstream frames'],
    ['client frames', 'answer drops', 'usage'],
  ];
  let text = '';
  for (const [index, names] of order.entries()) {
    const input = index % 2 === 0 || index === 0;
    for (const name of names) {
      const content = (input ? page.inputs : page.outputs).get(name);
      const mark = input ? '---' : '===';
      if (content !== undefined) text += `${mark} ${name} ${mark}\n${content}\n\n`;
    }
  }
  return `${text.trimEnd()}\n`;
}

const lineWidth = 120;

/** JSON with every value on one line that fits there. */
export function pretty(value: unknown, indent = ''): string {
  const flat = JSON.stringify(value);
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= lineWidth) return flat;
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const lines = Array.isArray(value)
    ? value.map((item) => inner + pretty(item, inner))
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${pretty(item, inner)}`);
  return `${open}\n${lines.join(',\n')}\n${indent}${close}`;
}

/** Ids and time of golden pages: counted up, standing still. */
export function pageOptions(context: PageContext, toolNames: ToolNames): AnswerOptions {
  let count = 0;
  return {
    now: 1_700_000_000,
    id: (prefix) => `${prefix}${(count += 1)}`,
    targetModel: context.targetModel,
    sameProvider: context.sameProvider ?? false,
    toolNames,
  };
}

/** Runs the inputs of a page; the outputs that it had are not looked at. */
export function runPage(page: Page): Page {
  const { client, upstream, inputs } = page;
  const context = JSON.parse(inputs.get('context') ?? '{}') as PageContext;
  const outputs = new Map<string, string>();
  let names: ToolNames = new Map();
  let includeUsage = true;
  const request = inputs.get('client request');
  if (request !== undefined) {
    outputs.set('upstream request', attempt(() => {
      const converted = convertRequest(client, upstream, JSON.parse(request), pageOptions(context, names));
      names = converted.toolNames;
      includeUsage = converted.includeUsage;
      outputs.set('drops', listDrops(converted.drops));
      return pretty(converted.body);
    }));
    if (outputs.get('drops') === '') outputs.delete('drops');
  }
  const answer = inputs.get('upstream answer');
  if (answer !== undefined) {
    const options = pageOptions(context, names);
    outputs.set('client answer', attempt(() => pretty(convertResponse(upstream, client, JSON.parse(answer), options))));
  }
  const frames = inputs.get('upstream frames');
  if (frames !== undefined) {
    const converter = streamConverter(upstream, client, { ...pageOptions(context, names), includeUsage });
    const pieces = [...converter.push(new TextEncoder().encode(`${frames}\n\n`)), ...converter.end()];
    outputs.set('client frames', pieces.map((piece) => new TextDecoder().decode(piece)).join('').trimEnd());
    if (converter.drops.length > 0) outputs.set('answer drops', listDrops(converter.drops));
    const { finished, error } = converter;
    const usage = Object.fromEntries(Object.entries(converter.usage ?? {}).filter(([, tokens]) => tokens !== 0));
    outputs.set('usage', JSON.stringify({ usage, finished, error }));
  }
  return { ...page, outputs };
}

function attempt(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return `${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
  }
}

function listDrops(drops: readonly Drop[]): string {
  return drops.map(({ code, action, path, count }) => `${action} ${code} (${path}${count > 1 ? `, ${count} times` : ''})`).join('\n');
}
