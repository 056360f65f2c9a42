import { fileURLToPath } from 'node:url';
import { isAbsolute, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEmbedded } from '@hub/postgres';
import { createLifecycle, type Lifecycle, silentLogger, systemClock } from '@hub/service';
import { type Ready, readyBlock, readyLine } from './banner.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import type { LauncherEnv } from './env.ts';
import { lockFolder } from './lock.ts';
import { endOrphans, noteProcesses } from './orphans.ts';
import { connectHost, controlPlanePlan, dataPlanePlan, demoUpstreamPlan, type Secrets } from './planes.ts';
import { checkPorts, freePort } from './ports.ts';
import { createManagementClient } from './setup/management-client.ts';
import type { DemoUpstream } from './setup/demo.ts';
import { setUp } from './setup/setup.ts';
import { wasSetUp } from './setup/setup-record.ts';
import { type Ports, type ProcessPlan, SupervisedProcess } from './supervised-process.ts';
import { messageOf, StartError, type Terminal } from './terminal.ts';

/** How long a process may take to end beyond what open streams get. */
const graceMs = 20_000;
const keyInForceWithinMs = 5_000;

/** A hub that is starting or runs. */
export interface Hub {
  readonly lifecycle: Lifecycle;
  /** Resolves when both planes serve, rejects with StartError. */
  start(): Promise<void>;
  /** Ends everything at once, but for the database, which ends when this process does. */
  killAll(): void;
}

/** @param onGivenUp something that the hub needs can't be kept alive */
export function createHub(env: LauncherEnv, terminal: Terminal, onGivenUp: (reason: string) => void): Hub {
  const stopWithinMs = env.drainTimeoutMs + graceMs;
  // Three processes one after the other, then the database.
  const lifecycle = createLifecycle({ log: silentLogger, deadlineMs: 4 * stopWithinMs });
  const processes: SupervisedProcess[] = [];

  const processStarter = (folder: DataFolder): StartProcess => {
    const onPid = () => noteProcesses(folder, processes.flatMap(({ pid, script }) => (pid === undefined ? [] : { pid, script })));
    return async (plan) => {
      if (lifecycle.stopping) throw new StartError('stopped while starting', true);
      const process = new SupervisedProcess(plan, { terminal, clock: systemClock, stopWithinMs, onPid, onGivenUp });
      processes.push(process);
      // What was started last ends first.
      lifecycle.onClose(plan.title, () => process.stop());
      terminal.note(`starting ${plan.title}`);
      return process.start();
    };
  };

  return {
    lifecycle,
    async start() {
      const folder = openDataFolder(dataPath(env.dataDir));
      lifecycle.onClose('lock', await lockFolder(folder.path));
      await endOrphans(folder, terminal);
      await checkPorts(env);
      const databaseUrl = env.databaseUrl || (await startDatabase(folder, terminal, lifecycle, onGivenUp));
      const ready = await startProcesses({ env, folder, terminal, databaseUrl, startProcess: processStarter(folder) });
      if (lifecycle.stopping) return;
      terminal.print(readyBlock(ready, folder.path));
      terminal.print(readyLine(ready));
    },
    killAll() {
      for (const process of processes) process.kill();
    },
  };
}

/** Resolves with the process's ports once it serves. */
type StartProcess = (plan: ProcessPlan) => Promise<Ports>;

interface StartOptions {
  readonly env: LauncherEnv;
  readonly folder: DataFolder;
  readonly terminal: Terminal;
  readonly databaseUrl: string;
  readonly startProcess: StartProcess;
}

/**
 * Starts everything that is a process. A data plane that has served before starts together with the control plane, from
 * the configuration that it kept; the first time it comes after, since it would complain while it waits. What a first
 * start makes is made meanwhile.
 */
async function startProcesses({ env, folder, terminal, databaseUrl, startProcess }: StartOptions): Promise<Ready> {
  const secrets = findSecrets(env, folder);
  const grpcPort = env.controlPlaneGrpcPort || (await freePort(env.bind));
  const servedBefore = wasSetUp(folder, env.databaseUrl || undefined);
  const url = ({ http }: Ports) => `http://${connectHost(env.bind)}:${http}`;

  const demo = env.demo ? startDemo(env, folder, startProcess) : undefined;
  const controlPlane = startProcess(controlPlanePlan({ env, folder, secrets, grpcPort }, databaseUrl));
  const startDataPlane = () => startProcess(dataPlanePlan({ env, folder, secrets, grpcPort }));
  const dataPlane = servedBefore ? startDataPlane() : controlPlane.then(startDataPlane);
  const settingUp = Promise.all([controlPlane, demo]).then(([ports, upstream]) => {
    const client = createManagementClient(url(ports), secrets.adminToken);
    return setUp({ client, env, folder, terminal, demo: upstream }).catch((error: unknown) => {
      terminal.note(`the first setup could not be finished and will be tried again at the next start: ${messageOf(error)}`);
      return { demoKey: undefined, changed: false };
    });
  });
  const [controlPorts, dataPorts, { demoKey, changed }] = await Promise.all([controlPlane, dataPlane, settingUp]);
  if (demoKey !== undefined) await untilInForce(url(dataPorts), demoKey, changed);
  return {
    dataPlaneUrl: url(dataPorts),
    controlPlaneUrl: url(controlPorts),
    ...(env.adminToken === '' ? { adminToken: secrets.adminToken } : {}),
    ...(demoKey === undefined ? {} : { demoKey }),
  };
}

/** A path of the user's own is relative to where the hub is started, the default one to the checkout. */
function dataPath(setting: string): string {
  if (setting === '') return fileURLToPath(new URL('../../../.data', import.meta.url));
  return isAbsolute(setting) ? setting : resolve(setting);
}

function findSecrets(env: LauncherEnv, folder: DataFolder): Secrets {
  return {
    adminToken: env.adminToken || folder.secret('admin-token'),
    planeToken: env.planeToken || folder.secret('plane-token'),
    masterKey: env.masterKey || folder.secret('master-key'),
  };
}

/** @returns its URL */
async function startDatabase(
  folder: DataFolder,
  terminal: Terminal,
  lifecycle: Lifecycle,
  onGivenUp: (reason: string) => void,
): Promise<string> {
  terminal.note('starting the embedded database');
  const quiet = () => undefined;
  const log = { debug: quiet, info: quiet, warn: terminal.note, error: terminal.note };
  const database = await startEmbedded({ dataDir: folder.path, log }).catch((error: unknown) => {
    throw new StartError(messageOf(error));
  });
  lifecycle.onClose('database', () => database.stop());
  void database.ended.then((why) => {
    if (why !== null && !lifecycle.stopping) onGivenUp(`the embedded database ended: ${why}`);
  });
  return database.url;
}

const demoFile = 'demo-upstream.json';

/** Keeps its key and, if it is still free, its port. */
async function startDemo(env: LauncherEnv, folder: DataFolder, startProcess: StartProcess): Promise<DemoUpstream> {
  const key = `demo-${folder.secret('demo-upstream-key')}`;
  const { port = 0 } = (folder.read(demoFile) ?? {}) as { port?: number };
  const { http } = await startProcess(demoUpstreamPlan(env, key, port));
  if (http !== port) folder.write(demoFile, { port: http });
  return { url: `http://127.0.0.1:${http}`, key };
}

/**
 * Until the data plane knows the key, so that what is printed works when it is pasted; after a change also until the key
 * reaches a provider that has models.
 */
async function untilInForce(dataPlaneUrl: string, key: string, changed: boolean): Promise<void> {
  const deadline = systemClock.now() + keyInForceWithinMs;
  while (systemClock.now() < deadline) {
    const answer = await fetch(`${dataPlaneUrl}/v1/models`, { headers: { authorization: `Bearer ${key}` } }).catch(() => undefined);
    const { data } = ((await answer?.json().catch(() => undefined)) ?? {}) as { data?: readonly object[] };
    if (answer?.status === 200 && (!changed || (data?.length ?? 0) > 0)) return;
    await pause(50);
  }
}
