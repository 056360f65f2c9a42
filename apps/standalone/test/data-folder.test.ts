import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDataFolder } from '../src/data-folder.ts';
import { StartError } from '../src/terminal.ts';
import { scratchFolder } from './scratch.ts';

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

it('is closed to everybody else, and so is every secret in it', () => {
  const path = join(scratchFolder(), 'deep', 'data');
  const folder = openDataFolder(path);
  folder.secret('admin-token');
  // Root's database runs as another account, which must get through; it can still not list the folder.
  expect(mode(path)).toBe(process.getuid?.() === 0 ? '711' : '700');
  expect(mode(join(path, 'admin-token'))).toBe('600');
  expect(mode(folder.folder('data-plane'))).toBe('700');
});

it('leaves the permissions of a folder that was there before alone', () => {
  const path = join(scratchFolder(), 'shared');
  mkdirSync(path);
  chmodSync(path, 0o755);
  openDataFolder(path);
  expect(mode(path)).toBe('755');
});

it('makes a secret once', () => {
  const path = scratchFolder();
  const secret = openDataFolder(path).secret('master-key');
  expect(secret).toMatch(/^[0-9a-f]{48}$/);
  expect(openDataFolder(path).secret('master-key')).toBe(secret);
  expect(openDataFolder(path).secret('plane-token')).not.toBe(secret);
});

it('reads what was written, and says if it is damaged', () => {
  const folder = openDataFolder(scratchFolder());
  expect(folder.read('setup.json')).toBeUndefined();
  folder.write('setup.json', { one: 1 });
  expect(folder.read('setup.json')).toEqual({ one: 1 });
  writeFileSync(join(folder.path, 'setup.json'), '{"one":');
  expect(() => folder.read('setup.json')).toThrow(/setup\.json is damaged/);
});

it('says in one line that it can not be written', () => {
  const file = join(scratchFolder(), 'file');
  writeFileSync(file, 'not a folder');
  expect(() => openDataFolder(join(file, 'data'))).toThrow(StartError);
  expect(() => openDataFolder(join(file, 'data'))).toThrow(/^can't write to the data folder .*HUB_DATA_DIR[^\n]*$/);
  expect(readFileSync(file, 'utf8')).toBe('not a folder');
});
