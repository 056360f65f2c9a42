import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Client,
  channelOptions,
  clientCredentials,
  createRpcClient,
  LimitsService,
  parsePlaneTokens,
  planeMetadata,
  type Provider,
  type Snapshot,
  type TlsFiles,
  UsageService,
  wire,
} from '@hub/contract';
import { type Clock, createSealer, type Logger, recordId } from '@hub/service';
import { type AdmissionTools, createAffinity } from './admission.ts';
import type { AttemptTools } from './attempt.ts';
import { fingerprint } from './authenticate.ts';
import { type ConfigClient, startConfigClient } from './config/config-client.ts';
import { openSnapshotFile } from './config/snapshot-file.ts';
import type { Env } from './env.ts';
import type { Exchange } from './exchange.ts';
import { guards } from './guards/index.ts';
import type { Admitted, Guard, LocalAnswer } from './guards/guard.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { type Shipper, startShipper } from './ledger/shipper.ts';
import { claimSlot } from './ledger/slots.ts';
import { createLockout, type Lockout } from './lockout.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Outcome } from './outcome.ts';
import type { ProviderState } from './plan.ts';
import { sessionIdOf } from './request/session-id.ts';
import { createTokenCounter, type TokenCounter } from './tokens/token-counter.ts';
import { openSharedState } from './shared-state.ts';
import { createCredentials } from './upstream/credentials.ts';
import { createTransport } from './upstream/transport.ts';

/** The composition root: makes every part of the data plane and is the only file that knows them all. */
export interface Gateway {
  readonly log: Logger;
  readonly clock: Clock;
  readonly config: ConfigClient;
  readonly ledger: Ledger;
  readonly shipper: Shipper;
  readonly guards: readonly Guard[];
  readonly metrics: Metrics;
  readonly attemptTools: AttemptTools;
  readonly lockout: Lockout;
  readonly tokenCounter: TokenCounter;
  readonly nodeId: string;
  readonly admissionTools: AdmissionTools;
  stateOf(provider: Provider): ProviderState;
  /** Work that no request waits for; its failure is logged. */
  background(name: string, work: Promise<unknown>): void;
  /** 16 hex digits. */
  randomHex(): string;
  /** Records a request that the hub answered itself. */
  recordLocal(admitted: Admitted, answer: LocalAnswer): Promise<void>;
  /** Tells the control plane that an expired user still tries (it switches such a user off). */
  reportExpired(exchange: Exchange, snapshot: Snapshot): void;
  close(deadlineMs: number): Promise<void>;
}

export const softwareVersion = '1.0.0';

export interface GatewayOptions {
  readonly env: Env;
  readonly log: Logger;
  readonly clock: Clock;
  readonly inFlight: () => number;
}

/** @throws if the data folder cannot be used or the plane token is missing */
export async function createGateway({ env, log, clock, inFlight }: GatewayOptions): Promise<Gateway> {
  const tokens = parsePlaneTokens(env.planeToken);
  if (tokens.length === 0) throw new Error('PLANE_TOKEN is not set: it must be the same on both planes');
  makeDataDir(env.dataDir);
  const slot = claimSlot(join(env.dataDir, 'ledger'), log);
  const nodeId = `${env.nodeName}/${slot.index}`;
  const link = await openLink(env, tokens);
  const ledger = openLedger(slot.directory, log);
  const file = openSnapshotFile(join(env.dataDir, 'snapshot.bin'), createSealer(env.masterKey || env.planeToken.padEnd(16)), log);
  let config: ConfigClient | undefined;
  const shared = await openSharedState({
    env,
    clock,
    log,
    nodeId,
    limits: link.limits,
    shipper: () => shipper,
    nameOf: (id) => config?.snapshot?.providers.get(id)?.name ?? String(id),
  });
  config = await startConfigClient({
    client: link.config,
    nodeId,
    softwareVersion,
    file,
    log,
    now: () => clock.now(),
    onSwap: (snapshot) => shared.follow(snapshot),
  });
  const client = config;
  const metrics = createMetrics({
    inFlight,
    ledger: () => ledger.journal.stats,
    controlPlaneConnected: () => client.connected,
    configVersion: () => client.snapshot?.version ?? '',
    configAge: () => (client.confirmedAt === 0 ? 0 : (clock.now() - client.confirmedAt) / 1000),
    limiter: () => shared.limiter,
  });
  const shipper = startShipper({
    client: link.usage,
    journal: ledger.journal,
    nodeId,
    clock,
    log,
    onRejected: (count) => metrics.rejectedRecords.inc(count),
  });
  const tokenCounter = createTokenCounter();
  const transport = createTransport({
    connectTimeoutMs: env.connectTimeoutMs,
    headersTimeoutMs: env.headersTimeoutMs,
    bodyTimeoutMs: env.bodyTimeoutMs,
    allowPrivate: env.allowPrivateUpstreams,
  });
  return {
    log,
    clock,
    config,
    ledger,
    shipper,
    guards,
    metrics,
    lockout: createLockout(),
    tokenCounter,
    nodeId,
    attemptTools: {
      transport,
      credentials: createCredentials(transport, clock),
      breakers: shared.breakers,
      clock,
      maxAttempts: env.maxAttempts,
      breakerCountsNetworkErrors: env.breakerCountsNetworkErrors,
    },
    admissionTools: {
      limiter: shared.limiter,
      affinity: createAffinity(),
      shortContextMessages: env.shortContextDetection ? env.shortContextThreshold : 0,
    },
    stateOf: (provider) => shared.stateOf(provider),
    background(name, work) {
      work.catch((error: unknown) => log.error({ err: error, work: name }, 'background work failed'));
    },
    randomHex: () => randomBytes(8).toString('hex'),
    recordLocal: (admitted, answer) => recordLocal(admitted, answer, { ledger, clock }),
    reportExpired(exchange, snapshot) {
      const userId = expiredUser(exchange, snapshot);
      if (userId !== undefined) shipper.event({ case: 'userExpired', value: { $typeName: 'hub.v1.UserExpired', userId } });
    },
    async close(deadlineMs) {
      await shipper.flush(deadlineMs);
      shipper.close();
      await client.close();
      await shared.close();
      ledger.journal.close();
      slot.release();
      link.config.close();
      link.usage.close();
      link.limits.close();
      await tokenCounter.close();
      await transport.close();
    },
  };
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`the data folder ${path} cannot be made (HUB_DATA_DIR): ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Link {
  readonly config: Client<typeof wire.ConfigService>;
  readonly usage: Client<typeof UsageService>;
  readonly limits: Client<typeof LimitsService>;
}

async function openLink(env: Env, tokens: readonly string[]): Promise<Link> {
  const { target, tls } = await linkTarget(env);
  const metadata = planeMetadata(tokens);
  const options = { target, credentials: clientCredentials(tls), metadata: () => metadata, channel: channelOptions };
  return { config: createRpcClient(wire.ConfigService, options), usage: createRpcClient(UsageService, options), limits: createRpcClient(LimitsService, options) };
}

async function linkTarget(env: Env): Promise<{ target: string; tls: TlsFiles | undefined }> {
  const url = /^https?:\/\//.test(env.controlPlane) ? new URL(env.controlPlane) : undefined;
  const target = url === undefined ? env.controlPlane : url.host;
  if (url?.protocol !== 'https:' && env.planeTlsCa === '') return { target, tls: undefined };
  const [ca, certificate, key] = await Promise.all([env.planeTlsCa, env.planeTlsCert, env.planeTlsKey].map((path) => (path === '' ? undefined : readFile(path))));
  return { target, tls: { ...(ca && { ca }), ...(certificate && { certificate }), ...(key && { key }) } };
}

async function recordLocal(
  { request, caller, snapshot }: Admitted,
  answer: LocalAnswer,
  { ledger, clock }: { ledger: Ledger; clock: Clock },
): Promise<void> {
  const session = sessionIdOf(request, caller);
  const outcome = new Outcome({ id: recordId(request.arrivedAt), request, caller, snapshot, sessionId: session.id, sequence: 1 });
  const blocked = answer.recordAs === undefined ? undefined : { by: answer.recordAs.blockedBy, reason: answer.recordAs.reason };
  const end = { status: answer.status, endedAt: clock.now(), usage: undefined, usageEstimated: false, error: undefined };
  await ledger.end(outcome.end(blocked === undefined ? end : { ...end, blocked }));
}

function expiredUser(exchange: Exchange, snapshot: Snapshot): number | undefined {
  const values = [exchange.headers['authorization'], exchange.headers['x-api-key'], exchange.headers['x-goog-api-key']];
  for (const value of values) {
    if (typeof value !== 'string') continue;
    const key = snapshot.keysByFingerprint.get(fingerprint(value.replace(/^Bearer\s+/i, '').trim()));
    if (key !== undefined) return key.userId;
  }
  return undefined;
}
