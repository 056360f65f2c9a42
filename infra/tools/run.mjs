// `npm start` and `npm test` on a machine that has Node.js and nothing else: gets pnpm through npx, installs from the
// lockfile, builds what changed, then starts the hub or runs every check and test. Plain JavaScript without
// dependencies, because it runs before any are installed.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
const stamps = join(root, 'node_modules', '.hub');
const oldestNode = [20, 19];
const windows = process.platform === 'win32';

/** An end that is already explained by its one line. */
class Failure extends Error {}

const [command = 'start', ...rest] = process.argv.slice(2);
try {
  requireNode();
  endWithNpm();
  cleanEnvironment();
  if (command === 'start') await start();
  else if (command === 'test') process.exitCode = await test(rest);
  else throw new Failure(`unknown command "${command}": use start or test`);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`hub: ${error.message}\n`);
  process.exitCode = error.exitCode ?? 1;
}

async function start() {
  await install();
  await build('apps', appsWithDependencies(), ['--filter=./apps/*...']);
  // In this very process, so that there is no middleman between the terminal's signals and the launcher.
  await import(pathToFileURL(join(root, 'apps/standalone/dist/main.js')).href);
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new Failure(`Node.js ${oldestNode.join('.')} or newer is needed, this is ${process.versions.node} (https://nodejs.org)`);
}

/**
 * npm starts us through a shell and passes a SIGTERM on to that shell alone, which ends and tells nobody. So whoever ends
 * npm would leave the hub running.
 */
function endWithNpm() {
  if (process.env.npm_lifecycle_event === undefined || windows) return;
  const shell = process.ppid;
  setInterval(() => {
    if (process.ppid !== shell) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}

/** npm hands its own settings down as variables; another package manager would obey them. */
function cleanEnvironment() {
  for (const name of Object.keys(process.env)) {
    if (/^npm_(config|package|lifecycle|node)_/i.test(name)) delete process.env[name];
  }
  process.env.PATH = join(root, 'node_modules', '.bin') + delimiter + process.env.PATH;
  process.env.TURBO_TELEMETRY_DISABLED = '1';
  process.env.DO_NOT_TRACK = '1';
}

// ---------------------------------------------------------------------------------------------------- install and build

async function install() {
  const manifests = ['.', ...workspaces()].map((folder) => join(folder, 'package.json'));
  const wanted = fingerprint(['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]);
  if (readStamp('installed') === wanted) return;
  requireWritableCheckout('installing');
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  say(`installing the packages with ${packageManager} (the first time takes a while)`);
  const began = Date.now();
  // CI: without a terminal pnpm would otherwise refuse to replace packages that do not fit any more.
  const args = ['-y', packageManager, 'install', '--frozen-lockfile', '--reporter=append-only'];
  await run('the installation', 'npx', args, { env: { ...process.env, CI: 'true' } });
  writeStamp('installed', wanted);
  say(`installed in ${seconds(began)}`);
}

/** Builds what changed, if anything did. `what` names the stamp, `folders` are the workspaces that it is about. */
async function build(what, folders, filters) {
  const stamp = () => `${fingerprint(buildInputs(folders))} ${buildOutputs(folders)}`;
  if (readStamp(`built-${what}`) === stamp()) return;
  requireWritableCheckout('building');
  say('building what changed');
  const began = Date.now();
  await run('the build', process.execPath, [join(root, 'node_modules/turbo/bin/turbo'), 'run', 'build', '--output-logs=errors-only', ...filters]);
  writeStamp(`built-${what}`, stamp());
  say(`built in ${seconds(began)}`);
}

/** Folders of every app and package. */
function workspaces() {
  const folders = ['apps', 'packages'].flatMap((parent) => readdirSync(join(root, parent)).map((name) => join(parent, name)));
  return folders.filter((folder) => existsSync(join(root, folder, 'package.json')));
}

/** Those that the running hub consists of; the tests' tools are not among them. */
function appsWithDependencies() {
  const byName = new Map(workspaces().map((folder) => [manifest(folder).name, folder]));
  const needed = new Set(workspaces().filter((folder) => folder.startsWith('apps')));
  for (const folder of needed) {
    for (const name of Object.keys(manifest(folder).dependencies ?? {})) if (byName.has(name)) needed.add(byName.get(name));
  }
  return [...needed].sort();
}

function manifest(folder) {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
}

function buildInputs(folders) {
  const files = ['package.json', 'tsconfig.base.json', 'turbo.json', 'prisma/schema.prisma', 'pnpm-lock.yaml'];
  for (const folder of folders) {
    files.push(join(folder, 'package.json'), join(folder, 'tsconfig.json'));
    files.push(...filesBelow(join(folder, 'src')).filter((file) => !file.endsWith('.test.ts')));
  }
  return files;
}

/** Says whether the outputs are still those of the last build, without reading them. */
function buildOutputs(folders) {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const record = join(root, folder, '.tsbuildinfo');
    const built = existsSync(record) && existsSync(join(root, folder, 'dist'));
    hash.update(`${folder} ${built ? statSync(record).mtimeMs : 'none'}\n`);
  }
  return hash.digest('hex');
}

function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    // Generated from other inputs, during the build.
    .filter((file) => !/[\\/]generated[\\/]/.test(file))
    .sort();
}

function fingerprint(files) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of files) {
    const path = join(root, file);
    hash.update(`${file}\n`).update(existsSync(path) ? readFileSync(path) : 'absent');
  }
  return hash.digest('hex');
}

function readStamp(name) {
  try {
    return readFileSync(join(stamps, name), 'utf8');
  } catch {
    return undefined;
  }
}

function writeStamp(name, content) {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), content);
}

function requireWritableCheckout(what) {
  try {
    for (const folder of [root, join(root, 'node_modules')]) if (existsSync(folder)) accessSync(folder, constants.W_OK);
  } catch {
    throw new Failure(`${root} needs ${what}, but this user can't write to it: run npm start once as its owner, or use a checkout of your own`);
  }
}

// ----------------------------------------------------------------------------------------------------------------- test

/** @returns the exit code */
async function test(options) {
  const strict = options.includes('--no-skips');
  await install();
  await build('everything', workspaces(), []);
  const failedChecks = await runChecks();
  const summary = await runTests(options.filter((option) => option !== '--no-skips'));
  for (const line of explainSkips(summary)) say(line);
  for (const check of failedChecks) say(`failed: ${check}`);
  const failed = summary.failed + failedChecks.length;
  if (strict && summary.skipped > 0) say('failed: nothing may be left out here (--no-skips)');
  process.stdout.write(`${summary.passed} passed, ${failed} failed, ${summary.skipped} skipped\n`);
  return failed > 0 || summary.passed === 0 || (strict && summary.skipped > 0) ? 1 : 0;
}

async function runChecks() {
  const node = process.execPath;
  const checks = [
    ['lint', node, ['infra/tools/lint.mjs']],
    ['types of the tests', join(root, 'node_modules/.bin/tsc'), ['-p', 'infra/tsconfig.tests.json']],
    ['generated protocol code', node, ['infra/tools/check-generated.mjs']],
    ['database schema and migrations', node, ['infra/tools/check-drift.mjs']],
  ];
  const failed = [];
  for (const [name, file, args] of checks) {
    const began = Date.now();
    const code = await exitCode(file, args);
    say(`${code === 0 ? 'ok' : 'FAILED'}: ${name} (${seconds(began)})`);
    if (code !== 0) failed.push(name);
  }
  return failed;
}

async function runTests(options) {
  const folder = mkdtempSync(join(tmpdir(), 'hub-test-'));
  const report = join(folder, 'summary.json');
  try {
    const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'infra/vitest.config.ts', '--root', '.', ...options];
    const code = await exitCode(process.execPath, args, { env: { ...process.env, HUB_TEST_SUMMARY: report } });
    if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0, leftOut: [] };
    const summary = JSON.parse(readFileSync(report, 'utf8'));
    // An error outside of any test (a rejection that nobody handled) fails the run too.
    if (code !== 0 && summary.failed === 0) summary.failed = 1;
    return summary;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Which suites did not run, and what to do about it. */
function explainSkips({ skipped, leftOut }) {
  if (skipped === 0) return [];
  const files = leftOut.map(({ file, tests }) => `${file} (${tests})`).join(', ');
  const hasRedis = Boolean(process.env.TEST_REDIS_URL) || spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
  const remedies = [
    ...(hasRedis ? [] : ['; for the suites on Redis: apt-get install redis-server, or set TEST_REDIS_URL']),
    ...(existsSync(join(root, '..', 'shared', 'golden')) ? [] : ['; for the comparisons with v0.3.42: put its recordings into ../shared/golden']),
  ];
  return [`left out: ${files}${remedies.join('')}`];
}

// ------------------------------------------------------------------------------------------------------------ processes

/** Runs a program to its end. Its output goes to our standard error: standard output is for results. */
function exitCode(file, args, settings = {}) {
  const child = spawn(file, args, { cwd: root, stdio: ['ignore', 2, 2], shell: windows && !file.endsWith('.exe'), ...settings });
  const forward = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(signal === null ? code : 130));
  }).finally(() => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, forward);
  });
}

/** Like exitCode, for a step without which nothing can go on. */
async function run(step, file, args, settings) {
  const began = Date.now();
  const progress = setInterval(() => say(`${step} goes on (${seconds(began)})`), 10_000);
  const code = await exitCode(file, args, settings)
    .catch((error) => {
      throw new Failure(`can't run ${file}: ${error.message}`);
    })
    .finally(() => clearInterval(progress));
  if (code === 0) return;
  throw Object.assign(new Failure(`${step} ended with code ${code}; its messages are above`), { exitCode: code });
}

function say(line) {
  process.stderr.write(`hub: ${line}\n`);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
