import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { migrate } from '@hub/postgres';
import {
  announceReady,
  collectDefaultMetrics,
  createLifecycle,
  createLogger,
  failStart,
  type Lifecycle,
  type Logger,
  Registry,
  startOpsServer,
  stopOnSignals,
  systemClock,
} from '@hub/service';
import { createApp } from './app.ts';
import { tryDatabase, waitForDatabase } from './database-wait.ts';
import { createDatabase } from './db.ts';
import { type Env, readEnv } from './env.ts';
import { startPlaneLink } from './link/index.ts';
import { noLiveState } from './live-state.ts';
import { openLiveState } from './live-state-redis.ts';
import { watchDatabase } from './readiness.ts';
import { createVault } from './vault.ts';

/** How long requests in flight and streams of data planes may take to end; ms. */
const shutdownMs = 15_000;

/** Longer than what load balancers before us usually keep idle connections for, so that it is they who close them; ms. */
const keepAliveMs = 65_000;

async function start(env: Env, log: Logger, lifecycle: Lifecycle): Promise<void> {
  const vault = createVault(env.secretsAtRest, env.masterKey);
  await waitForDatabase(() => tryDatabase(env.databaseUrl), { waitMs: env.databaseWaitSeconds * 1000, log });
  if (env.autoMigrate) {
    const { applied } = await migrate(env.databaseUrl, { log });
    if (applied.length > 0) log.info({ applied }, 'database migrated');
  }
  const database = createDatabase({ url: env.databaseUrl, poolMax: env.databasePoolMax, log });
  lifecycle.onClose('database', () => database.close());

  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const link = await startPlaneLink({
    database,
    databaseUrl: env.databaseUrl,
    vault,
    bind: env.bind,
    grpcPort: env.grpcPort,
    planeTokens: env.planeTokens,
    timeZone: env.timeZone,
    ...(env.tls !== undefined && { tls: env.tls }),
    log,
    metrics,
  });
  lifecycle.onClose('plane link', () => link.close());

  const live = env.redisUrl === undefined ? noLiveState : await openLiveState({ redisUrl: env.redisUrl, clock: systemClock, log, timeZone: env.timeZone });
  lifecycle.onClose('live state', () => live.close());

  const app = createApp({
    services: {
      database,
      vault,
      live,
      clock: systemClock,
      timeZone: env.timeZone,
      allowPrivateUpstreams: env.allowPrivateUpstreams,
      log,
    },
    metrics,
    adminToken: env.adminToken,
    secureCookies: env.secureCookies,
    appUrl: env.appUrl,
    trustedProxies: env.trustedProxies,
  });
  const http = createServer(app);
  http.keepAliveTimeout = keepAliveMs;
  const httpPort = await listen(http, env.httpPort, env.bind);
  lifecycle.onClose('http server', () => closeServer(http));

  const health = watchDatabase(database.pool);
  lifecycle.onClose('database watch', () => health.close());
  const ops = await startOpsServer({
    host: env.bind,
    port: env.opsPort,
    notReady: () => [...(lifecycle.stopping ? ['stopping'] : []), ...health.problems()],
    metrics,
  });
  lifecycle.onClose('ops server', () => ops.close());
  announceReady(log, 'control-plane', { http: httpPort, grpc: link.grpcPort, ops: ops.port });
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Requests in flight are answered; connections that only wait are cut. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

try {
  const env = readEnv();
  const log = createLogger('control-plane', env.logLevel);
  const lifecycle = createLifecycle({ log, deadlineMs: shutdownMs });
  stopOnSignals(lifecycle);
  await start(env, log, lifecycle);
} catch (error) {
  failStart('control-plane', error);
}
