import { writeFileSync } from 'node:fs';
import { conversionDoc } from './conversion-doc.ts';

writeFileSync(new URL('../../../docs/conversion.md', import.meta.url), conversionDoc());
