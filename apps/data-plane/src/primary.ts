import cluster, { type Worker } from 'node:cluster';
import { AggregatorRegistry, type Announcement, announceReady, backoff, createLifecycle, failStart, type Logger, startOpsServer, stopOnSignals } from '@hub/service';
import type { Env } from './env.ts';
import { flushMs } from './worker.ts';

/** WORKERS > 1: starts the workers, which share the client port, replaces those that die, and speaks for all on the ops port. */
export async function runPrimary(env: Env, log: Logger): Promise<void> {
  const lifecycle = createLifecycle({ log, deadlineMs: env.drainTimeoutMs + flushMs + 10_000 });
  stopOnSignals(lifecycle);
  const ready = new Set<Worker>();
  const wait = backoff(100, 5000);
  let announced = false;
  let httpPort = 0;

  const announceOnce = () => {
    if (announced || ready.size < env.workers) return;
    announced = true;
    announceReady(log, 'data-plane', { http: httpPort, ops: ops.port });
  };
  const start = () => {
    if (lifecycle.stopping) return;
    const worker = cluster.fork();
    worker.on('message', (message: Announcement) => {
      if (message.type === 'failed' && !announced) failStart('data-plane', new Error(message.message));
      if (message.type !== 'ready') return;
      ready.add(worker);
      httpPort = message.ports['http'] ?? httpPort;
      wait.reset();
      announceOnce();
    });
    worker.on('exit', (code, signal) => {
      ready.delete(worker);
      if (lifecycle.stopping) return;
      log.error({ worker: worker.id, code, signal }, 'a worker died; starting another');
      setTimeout(start, wait.next());
    });
  };
  const ops = await startOpsServer({
    host: env.bind,
    port: env.opsPort,
    metrics: { contentType: AggregatorRegistry.PROMETHEUS_CONTENT_TYPE, metrics: () => aggregate.clusterMetrics() },
    notReady: () => [...(lifecycle.stopping ? ['stopping'] : []), ...(ready.size > 0 ? [] : ['no worker is ready'])],
  });
  lifecycle.onClose('ops server', () => ops.close());
  lifecycle.onClose('workers', stopWorkers);
  for (let index = 0; index < env.workers; index++) start();
}

const aggregate = new AggregatorRegistry();

async function stopWorkers(): Promise<void> {
  const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  await Promise.all(
    workers.map((worker) => {
      worker.process.kill('SIGTERM');
      return new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    }),
  );
}
