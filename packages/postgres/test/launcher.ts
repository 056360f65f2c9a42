/** Run by tests as a process that can be killed: starts the embedded database and says how to reach it. */
import { startEmbedded } from '../src/embedded.ts';

const ignore = (): void => undefined;
const [, , dataDir = '', wanted] = process.argv;
try {
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const { engine, url } = await startEmbedded({ dataDir, engine: wanted === 'pglite' ? 'pglite' : 'auto', log });
  process.stdout.write(`${engine} ${url}\n`);
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
}
