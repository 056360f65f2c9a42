import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function readmeText(name: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../${name}`, import.meta.url)), 'utf8');
}

/** The commands that a README tells to type, block by block. */
export function blocksOf(name: string): readonly string[] {
  return [...readmeText(name).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block ?? '');
}
