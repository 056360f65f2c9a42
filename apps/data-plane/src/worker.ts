import { AggregatorRegistry, announceReady, createLifecycle, type Logger, startOpsServer, stopOnSignals, systemClock } from '@hub/service';
import type { Env } from './env.ts';
import { createGateway } from './gateway.ts';
import { handle } from './handle.ts';
import { startClientServer } from './server.ts';

/** How long what is left to report may take at the end. ms */
export const flushMs = 10_000;

/** How long a start waits for the control plane's word on a snapshot from disk. ms */
const confirmMs = 2000;

export interface WorkerOptions {
  readonly env: Env;
  readonly log: Logger;
  /** A worker of several has no ops port: its primary speaks for all. */
  readonly ops: boolean;
}

/** One process that serves: the whole data plane, or one of its workers. */
export async function runWorker({ env, log, ops }: WorkerOptions): Promise<void> {
  const lifecycle = createLifecycle({ log, deadlineMs: env.drainTimeoutMs + flushMs + 5000 });
  stopOnSignals(lifecycle);
  let inFlight = () => 0;
  const gateway = await createGateway({ env, log, clock: systemClock, inFlight: () => inFlight() });
  lifecycle.onClose('gateway', () => gateway.close(flushMs));
  if (!ops) {
    // The primary asks its workers for their numbers over IPC.
    AggregatorRegistry.setRegistries([gateway.metrics.registry]);
    new AggregatorRegistry();
  }
  const notReady = () => [
    ...(lifecycle.stopping ? ['stopping'] : []),
    ...(gateway.config.snapshot === undefined ? ['no configuration yet'] : []),
    ...(gateway.ledger.accepting ? [] : ['the ledger cannot be written']),
  ];
  const opsServer = ops ? await startOpsServer({ host: env.bind, port: env.opsPort, metrics: gateway.metrics.registry, notReady }) : undefined;
  lifecycle.onClose('ops server', () => opsServer?.close());
  const server = await startClientServer({
    host: env.bind,
    port: env.port,
    clock: systemClock,
    log,
    handle: (exchange) => handle(exchange, gateway),
    // Codex asks for a WebSocket first; 426 makes it go on with POST at once.
    refuseUpgrade: (path) => (path === '/v1/responses' ? { status: 426, reason: 'Upgrade Required' } : { status: 404, reason: 'Not Found' }),
  });
  inFlight = () => server.inFlight;
  lifecycle.onClose('client server', () => server.close(env.drainTimeoutMs));
  await gateway.config.ready(confirmMs);
  announceReady(log, 'data-plane', { http: server.port, ...(opsServer === undefined ? {} : { ops: opsServer.port }) });
}
