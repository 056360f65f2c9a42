import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readyBlock } from '../src/banner.ts';
import { blocksOf, readmeText } from './readme.ts';

const chinese = 'README.zh-CN.md';
const english = 'README.md';
const withoutComments = (block: string) => block.replace(/ *#.*$/gm, '');
const inCode = (text: string) => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? '');

it('says the same in both languages: the same commands, names and links', () => {
  expect(blocksOf(chinese).map(withoutComments)).toEqual(blocksOf(english).map(withoutComments));
  expect(inCode(readmeText(chinese)).sort()).toEqual(inCode(readmeText(english)).sort());
  const links = (name: string) => [...readmeText(name).matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target).filter((target) => !target?.startsWith('README'));
  expect(links(chinese)).toEqual(links(english));
});

it('names only settings that a process reads', () => {
  const rows = [...readmeText(english).matchAll(/^\| (`[A-Z_]+`.*?) \|/gm)].flatMap(([, cell]) => inCode(cell ?? ''));
  expect(rows.length).toBeGreaterThan(20);
  const read = ['standalone', 'control-plane', 'data-plane'].map((app) => readFileSync(fileURLToPath(new URL(`../../${app}/src/env.ts`, import.meta.url)), 'utf8')).join();
  expect(rows.filter((name) => !read.includes(`'${name}'`))).toEqual([]);
});

it('shows the lines that npm start prints', () => {
  const block = readyBlock({ dataPlaneUrl: 'http://127.0.0.1:8080', controlPlaneUrl: 'http://127.0.0.1:8081', demoKey: 'sk-YOUR-HUB-KEY' }, '.data');
  const toPaste = block.split('\n').map((line) => line.trim()).filter((line) => /^[A-Z_]+=/.test(line));
  expect(toPaste).toHaveLength(3);
  for (const line of toPaste) expect(inCode(readmeText(english))).toContain(line);
});
