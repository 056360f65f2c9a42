// What oxlint can't say: sizes, and which file may touch what. `node check-structure.mjs [root]` prints one line for each
// problem.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.argv[2] ?? fileURLToPath(new URL('../..', import.meta.url));
const longestFile = 400;
const problems = [];

const sources = ['apps', 'packages', 'infra'].flatMap((folder) => filesBelow(join(root, folder)));
for (const file of sources) checkFile(file);
checkSingleton('undici', /from 'undici'/, (path) => path.startsWith('apps/data-plane/src/'));
checkSingleton("node:http's IncomingMessage and ServerResponse", /\b(IncomingMessage|ServerResponse)\b/, (path) => path.startsWith('apps/data-plane/src/'));

for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

function checkFile({ path, text }) {
  const report = (problem) => problems.push(`${path}: ${problem}`);
  const lines = text.split('\n').length - 1;
  if (!isTest(path) && lines > longestFile) report(`${lines} lines, at most ${longestFile} are allowed: split it by what it is about`);
  if (/\/(utils|helpers|common)(\/|\.)/.test(path)) report('a folder or file must be named after what is in it');
  if (basename(path) !== basename(path).toLowerCase()) report('file names are kebab-case');
  if (!isSource(path)) return;
  for (const specifier of imports(text)) checkImport(path, specifier, report);
  if (/\bprocess\.env\b/.test(withoutComments(text)) && !path.endsWith('/env.ts')) report('process.env is read in env.ts only');
}

function checkImport(path, specifier, report) {
  const [kind, name] = path.split('/');
  const pure = kind === 'packages' && (name === 'protocol' || name === 'pricing');
  const relativeImport = specifier.startsWith('.');
  if (relativeImport && !/\.(ts|json|lua)$/.test(specifier)) report(`import "${specifier}" must end in .ts`);
  const home = `${kind}/${name}/`;
  if (relativeImport && !posix.join(posix.dirname(path), specifier).startsWith(home)) report(`import "${specifier}" leaves ${home}`);
  if (pure && !relativeImport && !isAllowedInPure(name, specifier)) report(`${name} is pure and must not import "${specifier}"`);
  const ofApp = /^@hub\/(data-plane|control-plane|standalone)\b/.exec(specifier);
  if (ofApp) report(`nothing imports an app, not even "${specifier}"`);
  if (!relativeImport && kind === 'packages' && /^@hub\/(testkit|bench)\b/.test(specifier)) report(`"${specifier}" is for tests and scripts`);
}

function isAllowedInPure(name, specifier) {
  return name === 'pricing' && (specifier === '@hub/protocol' || /^dinero\.js(\/|$)/.test(specifier));
}

/** At most one file may touch a thing, so that it can be changed in one place. */
function checkSingleton(thing, pattern, concerns) {
  const users = sources.filter(({ path, text }) => concerns(path) && isSource(path) && pattern.test(withoutComments(text)));
  if (users.length > 1) problems.push(`only one file of the data plane may touch ${thing}, not ${users.map(({ path }) => path).join(' and ')}`);
}

function imports(text) {
  const code = withoutComments(text);
  const statements = code.matchAll(/^(?:import|export)\s+(?:[\w\s{},*$]*?\bfrom\s+)?['"]([^'"]+)['"]/gm);
  return [...statements, ...code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)].map((match) => match[1]);
}

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function isTest(path) {
  return /\.(test|contract)\.ts$/.test(path) || /\/test\//.test(path);
}

/** Code of the product: walls are for it. testkit and bench are tools of tests. */
function isSource(path) {
  return /^(apps|packages)\/[^/]+\/src\//.test(path) && !isTest(path) && !/^packages\/(testkit|bench)\//.test(path);
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(node_modules|dist|gen|generated|\..*)$/.test(entry.name) ? [] : filesBelow(path);
    if (!/\.(ts|mjs|lua)$/.test(entry.name)) return [];
    return [{ path: relative(root, path).split(sep).join('/'), text: readFileSync(path, 'utf8') }];
  });
}
