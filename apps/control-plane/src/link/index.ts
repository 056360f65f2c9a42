import * as grpc from '@grpc/grpc-js';
import { channelOptions, checkPlaneToken, LimitsService, serve, serverCredentials, type SnapshotProblem, type TlsFiles, UsageService, wire } from '@hub/contract';
import { createLifecycle, type Logger, Registry } from '@hub/service';
import type { Pool } from 'pg';
import type { Vault } from '../vault.ts';
import { createConfigService } from './config-service.ts';
import { startHousekeeping } from './housekeeping.ts';
import { createIngest } from './ingest.ts';
import { createKeyColumns } from './key-columns.ts';
import { limitsHandlers } from './limits-service.ts';
import { createLinkMetrics } from './metrics.ts';
import { createNodeEvents, type LinkEventListener } from './node-events.ts';
import { createNodeRegistry, type NodeStatus } from './node-registry.ts';
import { type Publisher, startPublisher } from './publisher.ts';
import { createSpending } from './spent.ts';
import { createUsageIntake } from './usage-service.ts';

export type { BreakerOpenedEvent, LinkEvent, LinkEventListener, UserExpiredEvent } from './node-events.ts';
export type { NodeStatus, Refusal } from './node-registry.ts';
export type { Publisher } from './publisher.ts';

export interface PlaneLinkOptions {
  readonly database: { readonly pool: Pool };
  /** For the connection that listens for changes. */
  readonly databaseUrl: string;
  readonly vault: Vault;
  /** Address to listen on. */
  readonly bind: string;
  /** 0 = any free port. */
  readonly grpcPort: number;
  /** Of `parsePlaneTokens`. Empty = nobody gets in. */
  readonly planeTokens: readonly string[];
  /** IANA name: the hub's calendar. */
  readonly timeZone: string;
  /** Unset = plain text, for planes on one host or in a private network. */
  readonly tls?: TlsFiles;
  readonly log: Logger;
  readonly metrics?: Registry;
}

export interface PlaneLink {
  readonly grpcPort: number;
  readonly publisher: Publisher;
  /** Every data plane of the last week with what it serves, whichever control plane it is connected to. */
  nodes(): Promise<readonly NodeStatus[]>;
  /** Rows of the configuration that are not published as they stand. */
  problems(): readonly SnapshotProblem[];
  /** What the data planes report besides usage. @returns the way to stop it */
  onEvent(listener: LinkEventListener): () => void;
  /** Finishes the batches in hand and ends all streams; the nodes go elsewhere. */
  close(): Promise<void>;
}

/** How long calls may take to end; ms. */
const shutdownMs = 5_000;

/**
 * The control plane's side of the link: publishes the configuration, takes in usage, answers questions about past spending.
 * @throws Error if the database cannot be read, the time zone is unknown or the port is taken
 */
export async function startPlaneLink(options: PlaneLinkOptions): Promise<PlaneLink> {
  const { database, databaseUrl, vault, timeZone, log } = options;
  const { pool } = database;
  const metrics = createLinkMetrics(options.metrics ?? new Registry());
  const lifecycle = createLifecycle({ log, deadlineMs: shutdownMs * 2 });
  try {
    const publisher = await startPublisher({ pool, databaseUrl, vault, timeZone, log, metrics });
    lifecycle.onClose('publisher', () => publisher.close());
    const registry = createNodeRegistry(pool, log);
    lifecycle.onClose('node registry', () => registry.close());
    const housekeeping = startHousekeeping(pool, log);
    lifecycle.onClose('housekeeping', () => housekeeping.close());

    const keyColumns = createKeyColumns(pool, vault, log);
    publisher.subscribe((changed) => {
      for (const { kind, id } of changed) if (kind === wire.EntityKind.KEY) keyColumns.forget(Number(id));
    });
    const events = createNodeEvents(pool, log);
    const config = createConfigService({ publisher, registry, metrics, log });
    const usage = createUsageIntake({ ingest: createIngest({ pool, keyColumns, metrics, log }), events, log });

    const server = new grpc.Server(channelOptions);
    const authorize = (metadata: grpc.Metadata): string | undefined => checkPlaneToken(options.planeTokens, metadata);
    serve(server, wire.ConfigService, config.handlers, authorize);
    serve(server, UsageService, usage.handlers, authorize);
    serve(server, LimitsService, limitsHandlers(createSpending(pool, vault)), authorize);
    const grpcPort = await listen(server, options);
    lifecycle.onClose('grpc server', () => shutDown(server));
    lifecycle.onClose('usage streams', () => usage.close());
    lifecycle.onClose('config streams', () => config.close());

    return {
      grpcPort,
      publisher,
      nodes: () => registry.list(),
      problems: () => publisher.problems(),
      onEvent: (listener) => events.onEvent(listener),
      close: () => lifecycle.stop('plane link closes'),
    };
  } catch (error) {
    await lifecycle.stop('the plane link could not start');
    throw error;
  }
}

function listen(server: grpc.Server, { bind, grpcPort, tls }: PlaneLinkOptions): Promise<number> {
  const host = bind.includes(':') ? `[${bind}]` : bind;
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${grpcPort}`, serverCredentials(tls), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

/** Lets calls end by themselves for a while, then cuts them. */
function shutDown(server: grpc.Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, shutdownMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
