import { announceReady, createLifecycle, createLogger, failStart, startOpsServer, stopOnSignals, systemClock } from '@hub/service';
import { readEnv } from './env.ts';
import { createGateway } from './gateway.ts';
import { handle } from './handle.ts';
import { startClientServer } from './server.ts';

/** How long what is left to report may take at the end. ms */
const flushMs = 10_000;

async function main(): Promise<void> {
  const env = readEnv();
  const log = createLogger('data-plane', env.logLevel);
  const lifecycle = createLifecycle({ log, deadlineMs: env.drainTimeoutMs + flushMs + 5000 });
  stopOnSignals(lifecycle);
  let inFlight = () => 0;
  const gateway = await createGateway({ env, log, clock: systemClock, inFlight: () => inFlight() });
  lifecycle.onClose('gateway', () => gateway.close(flushMs));
  const ops = await startOpsServer({
    host: env.bind,
    port: env.opsPort,
    metrics: gateway.metrics.registry,
    notReady: () => [
      ...(lifecycle.stopping ? ['stopping'] : []),
      ...(gateway.config.snapshot === undefined ? ['no configuration yet'] : []),
      ...(gateway.ledger.accepting ? [] : ['the ledger cannot be written']),
    ],
  });
  lifecycle.onClose('ops server', () => ops.close());
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
  await gateway.config.ready();
  announceReady(log, 'data-plane', { http: server.port, ops: ops.port });
}

main().catch((error: unknown) => failStart('data-plane', error));
