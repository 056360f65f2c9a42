import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { conversionDoc } from './conversion-doc.ts';

it('docs/conversion.md says what the code says', () => {
  expect(readFileSync(new URL('../../../docs/conversion.md', import.meta.url), 'utf8')).toBe(conversionDoc());
});
