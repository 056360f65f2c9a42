import type { AddressInfo } from 'node:net';
import { announceReady, createLifecycle, createLogger, failStart, stopOnSignals, systemClock } from '@hub/service';
import { readDemoEnv } from '../env.ts';
import { createDemoServer } from './server.ts';

/** The process of the demo upstream: loopback only. */
async function main(): Promise<void> {
  const env = readDemoEnv();
  const log = createLogger('demo-upstream', env.logLevel);
  const lifecycle = createLifecycle({ log, deadlineMs: 2_000 });
  const server = createDemoServer({ key: env.key, paceMs: 15, clock: systemClock });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  // The port of last time, so that the providers' addresses stay as they are; if it is gone, any.
  await listen(env.preferredPort).catch(() => listen(0));
  lifecycle.onClose('demo upstream', () => {
    server.close();
    server.closeAllConnections();
  });
  stopOnSignals(lifecycle);
  announceReady(log, 'demo-upstream', { http: (server.address() as AddressInfo).port });
}

await main().catch((error: unknown) => failStart('demo-upstream', error));
