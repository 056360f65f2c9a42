import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dialects } from '../src/index.ts';
import { cases, targetModels } from './cases/index.ts';
import { caseNames } from './cases/names.ts';
import { oddities } from './cases/oddities.ts';
import { formatPage, parsePage, pretty, runPage } from './golden-page.ts';
import type { Page } from './golden-page.ts';

/**
 * Writes the golden pages: `tsx packages/protocol/test/write-golden.ts`. Pages that exist keep their inputs and get their
 * outputs anew; with `--inputs` the inputs are also taken anew from test/cases. Read the diff.
 */
const folder = fileURLToPath(new URL('../golden/', import.meta.url));
mkdirSync(folder, { recursive: true });
const present = new Set(readdirSync(folder));
const anew = process.argv.includes('--inputs');

function write(fileName: string, page: Page): void {
  writeFileSync(folder + fileName, formatPage(runPage(page)));
  present.delete(fileName);
}

for (const client of dialects) {
  for (const upstream of dialects) {
    if (client === upstream) continue;
    for (const name of caseNames) {
      const asked = cases[client][name];
      const answered = cases[upstream][name];
      const fileName = `${client}-to-${upstream}.${name}.txt`;
      if (present.has(fileName) && !anew) continue;
      const inputs = new Map([
        ['context', JSON.stringify({ targetModel: answered.targetModel ?? targetModels[upstream] })],
        ['client request', pretty(asked.request)],
        ['upstream answer', pretty(answered.answer)],
        ['upstream frames', answered.frames.trimEnd()],
      ]);
      write(fileName, { client, upstream, inputs, outputs: new Map() });
    }
  }
}

for (const { client, upstream, name, context, request, answer, frames } of oddities) {
  const fileName = `${client}-to-${upstream}.${name}.txt`;
  if (present.has(fileName) && !anew) continue;
  const inputs = new Map([['context', JSON.stringify({ targetModel: targetModels[upstream], ...context })]]);
  if (request !== undefined) inputs.set('client request', pretty(request));
  if (answer !== undefined) inputs.set('upstream answer', pretty(answer));
  if (frames !== undefined) inputs.set('upstream frames', frames.trimEnd());
  write(fileName, { client, upstream, inputs, outputs: new Map() });
}

for (const fileName of present) write(fileName, parsePage(fileName, readFileSync(folder + fileName, 'utf8')));
