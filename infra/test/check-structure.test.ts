import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const script = fileURLToPath(new URL('../tools/check-structure.mjs', import.meta.url));

/** What the check says of a repository with these files. */
function check(files: Readonly<Record<string, string>>): readonly string[] {
  const root = mkdtempSync(join(tmpdir(), 'hub-structure-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  const problems = stderr.split('\n').filter((line) => line !== '');
  expect(status).toBe(problems.length === 0 ? 0 : 1);
  return problems;
}

const long = 'export {};\n'.repeat(401);

it('lets through what is right', () => {
  expect(
    check({
      'packages/pricing/src/cost.ts': `import { dinero } from 'dinero.js/bigint';\nimport type { Usage } from '@hub/protocol';\nimport { price } from './price.ts';\n`,
      'packages/protocol/src/sse.test.ts': `import { readFileSync } from 'node:fs';\n${long}`,
      'apps/data-plane/src/env.ts': 'export const port = process.env.PORT;\n',
      'apps/data-plane/src/upstream/transport.ts': `import { request } from 'undici';\n// IncomingMessage is server.ts's\n`,
      'apps/data-plane/src/server.ts': `import type { IncomingMessage, ServerResponse } from 'node:http';\n`,
      'apps/data-plane/src/gen/big.ts': long,
    }),
  ).toEqual([]);
});

const wrong: Readonly<Record<string, readonly [path: string, text: string, problem: RegExp]>> = {
  'a long file': ['apps/data-plane/src/handle.ts', long, /401 lines/],
  'a pure package that reads files': ['packages/protocol/src/a.ts', `import { readFileSync } from 'node:fs';\n`, /protocol is pure/],
  'a pure package that uses a library': ['packages/pricing/src/a.ts', `import big from 'big.js';\n`, /pricing is pure/],
  'an import that spans lines': ['packages/pricing/src/a.ts', `import {\n  readFileSync,\n} from 'node:fs';\n`, /pricing is pure/],
  'an import at run time': ['packages/protocol/src/a.ts', `export const fs = () => import('node:fs');\n`, /protocol is pure/],
  'an app that imports an app': ['apps/standalone/src/a.ts', `import { handle } from '@hub/data-plane';\n`, /nothing imports an app/],
  'an app that reaches into an app': ['apps/standalone/src/a.ts', `import { handle } from '../../data-plane/src/handle.ts';\n`, /leaves apps\/standalone/],
  'the environment anywhere': ['apps/control-plane/src/a.ts', 'export const port = process.env.PORT;\n', /env\.ts only/],
  'a test tool in the product': ['packages/limits/src/a.ts', `import { startRedis } from '@hub/testkit';\n`, /for tests and scripts/],
  'a drawer': ['packages/limits/src/utils/a.ts', 'export {};\n', /named after what is in it/],
  'a file in another case': ['packages/limits/src/RedisStore.ts', 'export {};\n', /kebab-case/],
  'an import without its ending': ['packages/limits/src/a.ts', `export { b } from './b';\n`, /must end in \.ts/],
};

for (const [name, [path, text, problem]] of Object.entries(wrong)) {
  it(`refuses ${name}`, () => {
    expect(check({ [path]: text })).toEqual([expect.stringMatching(problem)]);
  });
}

it('refuses a second file that touches undici', () => {
  const text = `import { request } from 'undici';\n`;
  const problems = check({ 'apps/data-plane/src/a.ts': text, 'apps/data-plane/src/b.ts': text });
  expect(problems).toEqual([expect.stringMatching(/only one file .* undici.*a\.ts and .*b\.ts/)]);
});
