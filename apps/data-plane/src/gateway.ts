import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Provider, Snapshot } from '@hub/contract';
import type { SessionDirectory } from '@hub/limits';
import { type Clock, createSealer, type Logger, recordId } from '@hub/service';
import { type AdmissionTools, createAffinity } from './admission.ts';
import type { AttemptTools } from './attempt.ts';
import { fingerprint } from './authenticate.ts';
import { type ConfigClient, startConfigClient } from './config/config-client.ts';
import { openSnapshotFile } from './config/snapshot-file.ts';
import type { Env } from './env.ts';
import type { Exchange } from './exchange.ts';
import type { Admitted, Guard, LocalAnswer } from './guards/guard.ts';
import { guards } from './guards/index.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { type Shipper, startShipper } from './ledger/shipper.ts';
import { claimSlot } from './ledger/slots.ts';
import { createLockout, type Lockout } from './lockout.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { Outcome } from './outcome.ts';
import type { ProviderState } from './plan.ts';
import { openPlaneLink, type PlaneLink } from './plane-link.ts';
import { startProber } from './prober.ts';
import { sessionIdOf } from './request/session-id.ts';
import { openSharedState, type SharedState } from './shared-state.ts';
import { createTokenCounter, type TokenCounter } from './tokens/token-counter.ts';
import { createCredentials } from './upstream/credentials.ts';
import { fetchModelList } from './upstream/model-list-request.ts';
import { createTransport, type Transport } from './upstream/transport.ts';

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
  /** Who is at work, for admins. */
  readonly sessions: SessionDirectory;
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
  const link = await openPlaneLink(env);
  makeDataDir(env.dataDir);
  const slot = claimSlot(join(env.dataDir, 'ledger'), log);
  const nodeId = `${env.nodeName}/${slot.index}`;
  const ledger = openLedger(slot.directory, log);
  const parts = { rejected: (_count: number) => {}, nameOf: (id: number) => String(id) };
  const shipper = startShipper({ client: link.usage, journal: ledger.journal, nodeId, clock, log, onRejected: (count) => parts.rejected(count) });
  const shared = await openSharedState({ env, clock, log, nodeId, limits: link.limits, shipper, nameOf: (id) => parts.nameOf(id) });
  const config = await openConfig(env, link, { nodeId, log, clock, shared });
  parts.nameOf = (id) => config.snapshot?.providers.get(id)?.name ?? String(id);
  const metrics = createMetrics({
    inFlight,
    ledger: () => ledger.journal.stats,
    controlPlaneConnected: () => config.connected,
    configVersion: () => config.snapshot?.version ?? '',
    configUnsaved: () => config.unsaved,
    configAge: () => (config.confirmedAt === 0 ? 0 : (clock.now() - config.confirmedAt) / 1000),
    limiter: () => shared.limiter,
  });
  parts.rejected = (count) => metrics.rejectedRecords.inc(count);
  const tokenCounter = createTokenCounter();
  const transport = createTransport({
    connectTimeoutMs: env.connectTimeoutMs,
    headersTimeoutMs: env.headersTimeoutMs,
    bodyTimeoutMs: env.bodyTimeoutMs,
    allowPrivate: env.allowPrivateUpstreams,
  });
  const tools = requestTools(env, clock, transport, shared);
  const prober = env.smartProbing ? startProber({ ...probing(env, tools.attemptTools), snapshot: () => config.snapshot, clock, log }) : undefined;
  return {
    log,
    clock,
    config,
    ledger,
    shipper,
    guards,
    metrics,
    nodeId,
    tokenCounter,
    lockout: createLockout(),
    sessions: shared.sessions,
    ...tools,
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
      prober?.close();
      await shipper.flush(deadlineMs);
      shipper.close();
      await config.close();
      await shared.close();
      ledger.journal.close();
      slot.release();
      link.close();
      await tokenCounter.close();
      await transport.close();
    },
  };
}

/** What a request takes along on its way. */
function requestTools(env: Env, clock: Clock, transport: Transport, { breakers, limiter }: SharedState): Pick<Gateway, 'attemptTools' | 'admissionTools'> {
  return {
    attemptTools: {
      transport,
      credentials: createCredentials(transport, clock),
      breakers,
      clock,
      maxAttempts: env.maxAttempts,
      breakerCountsNetworkErrors: env.breakerCountsNetworkErrors,
    },
    admissionTools: {
      limiter,
      affinity: createAffinity(),
      shortContextMessages: env.shortContextDetection ? env.shortContextThreshold : 0,
      sessionTtlMs: env.sessionTtlSeconds * 1000,
    },
  };
}

function probing(env: Env, tools: AttemptTools) {
  return {
    breakers: tools.breakers,
    intervalMs: env.probeIntervalMs,
    ask: (provider: Provider) => fetchModelList(provider, tools, env.probeTimeoutMs),
  };
}

function openConfig(
  env: Env,
  link: PlaneLink,
  { nodeId, log, clock, shared }: { nodeId: string; log: Logger; clock: Clock; shared: SharedState },
): Promise<ConfigClient> {
  // A key of at least 16 characters is asked for; a short plane token is lengthened rather than refused here.
  const sealer = createSealer(env.masterKey || env.planeToken.padEnd(16));
  return startConfigClient({
    client: link.config,
    nodeId,
    softwareVersion,
    file: openSnapshotFile(join(env.dataDir, 'snapshot.bin'), sealer, log),
    log,
    now: () => clock.now(),
    onSwap: (snapshot) => shared.follow(snapshot),
  });
}

function makeDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`the data folder ${path} cannot be made (HUB_DATA_DIR): ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function recordLocal(
  { request, caller, snapshot }: Admitted,
  answer: LocalAnswer,
  { ledger, clock }: { ledger: Ledger; clock: Clock },
): Promise<void> {
  const session = sessionIdOf(request, caller);
  const outcome = new Outcome({ id: recordId(request.arrivedAt), request, caller, snapshot, sessionId: session.id, sequence: 1 });
  const blocked = answer.recordAs === undefined ? undefined : { by: answer.recordAs.blockedBy, reason: answer.recordAs.reason };
  const end = { status: answer.status, endedAt: clock.now(), usage: undefined, usageEstimated: false, error: answer.recordAs?.error };
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
