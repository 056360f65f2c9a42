// Fails if packages/contract/src/gen is not what proto/ generates, or if proto/ breaks its own lint rules.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const generated = 'packages/contract/src/gen';
const bin = join(root, 'node_modules', '.bin');
const folder = mkdtempSync(join(tmpdir(), 'hub-gen-'));

try {
  buf('lint');
  // The plugin's own "out" is relative to proto/, hence the folder of the same name.
  buf('generate', '--output', join(folder, 'proto'));
  const differing = differences(join(folder, generated), join(root, generated));
  if (differing.length > 0) {
    process.stderr.write(`${generated} is out of date (run: npm run gen): ${differing.join(', ')}\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function buf(...args) {
  const run = spawnSync(join(bin, 'buf'), args, {
    cwd: join(root, 'proto'),
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
    shell: process.platform === 'win32',
  });
  if (run.status === 0) return;
  process.stderr.write(`buf ${args[0]} failed${run.error ? `: ${run.error.message}` : ''}\n`);
  rmSync(folder, { recursive: true, force: true });
  process.exit(1);
}

function differences(left, right) {
  const files = new Set([...filesIn(left), ...filesIn(right)]);
  return [...files].filter((file) => read(join(left, file)) !== read(join(right, file)));
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
}

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
