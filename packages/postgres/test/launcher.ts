/** Run by tests as a process that can be killed: starts the embedded database and says how to reach it. */
import { startEmbedded } from '../src/embedded.ts';

const warnings: string[] = [];
const ignore = (): void => undefined;
const log = { debug: ignore, info: ignore, warn: (message: string) => void warnings.push(message), error: ignore };
const [, , dataDir = '', wanted] = process.argv;
const { engine, url } = await startEmbedded({ dataDir, engine: wanted === 'pglite' ? 'pglite' : 'auto', durable: false, log });
process.stdout.write(`${JSON.stringify({ engine, url, warnings })}\n`);
