// oxlint with the repository's rules, then what it can't say.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

const linters = [
  ['node_modules/oxlint/bin/oxlint', '-c', '.oxlintrc.json', '--quiet', 'apps', 'packages', 'infra'],
  ['infra/tools/check-structure.mjs'],
];
for (const [script, ...args] of linters) {
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exitCode = 1;
}
