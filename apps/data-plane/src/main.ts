import cluster from 'node:cluster';
import { createLogger, failStart } from '@hub/service';
import { readEnv } from './env.ts';
import { runPrimary } from './primary.ts';
import { runWorker } from './worker.ts';

async function main(): Promise<void> {
  const env = readEnv();
  const log = createLogger('data-plane', env.logLevel);
  if (env.workers > 1 && cluster.isPrimary) return runPrimary(env, log);
  return runWorker({ env, log, ops: cluster.isPrimary });
}

main().catch((error: unknown) => failStart('data-plane', error));
