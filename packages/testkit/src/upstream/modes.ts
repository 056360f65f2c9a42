import { type Behaviour, brotli, cutAfter, emptyBody, errorEventAfter, errorEventFirst, errorIn200, gzip, hangUp, healthy, htmlPage, never, redirect, say, status } from './behaviour.ts';

/** Behaviours that a base URL ending in `/t/<name>` asks for without a script. The names are those of the recordings. */
const modes: Readonly<Record<string, () => Behaviour>> = {
  never: () => never(),
  'abort-before-body': () => hangUp(),
  'abort-mid-stream': () => cutAfter(900),
  html: () => htmlPage(),
  empty: () => emptyBody(),
  blank: () => say([' \n\n']),
  'bad-json': () => status(200, '{"id":"x","content":[', { 'content-type': 'application/json' }),
  fake200: () => errorIn200(),
  'sse-error': () => errorEventFirst(),
  'sse-error-late': () => errorEventAfter(5),
  'no-usage': () => healthy({ usage: null }),
  'empty-content': () => healthy({ text: '' }),
  gzip: () => gzip(),
  br: () => brotli(),
  'redirect-302': () => redirect('/elsewhere'),
  'fail-400-plain': () => status(400, 'plain text failure (request id: abc-123)'),
};

/** The behaviour named `name`, `fail-<status>` included; undefined if there is none. */
export function builtInMode(name: string): Behaviour | undefined {
  const code = /^fail-(\d{3})$/.exec(name)?.[1];
  return code === undefined ? modes[name]?.() : status(Number(code));
}
