import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createManagementClient, type ManagementClient } from '../src/setup/management-client.ts';

const mainFile = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** What `hub ready` says. */
export interface ReadyLine {
  readonly dataPlaneUrl: string;
  readonly controlPlaneUrl: string;
  readonly adminToken?: string;
  readonly demoKey?: string;
}

export interface HubProcess {
  readonly child: ChildProcess;
  readonly ready: ReadyLine;
  /** Everything that was printed before it was ready. */
  readonly block: string;
  /** Its exit code or signal, once it is gone. */
  readonly ended: Promise<number | string>;
  stderr(): string;
}

/** Where nothing else listens. */
export const anyPorts: Readonly<Record<string, string>> = {
  DATA_PLANE_PORT: '0',
  DATA_PLANE_OPS_PORT: '0',
  CONTROL_PLANE_PORT: '0',
  CONTROL_PLANE_GRPC_PORT: '0',
  CONTROL_PLANE_OPS_PORT: '0',
};

/** A data folder that the embedded database's account can get to, also when the tests run as root. */
export function dataFolder(): string {
  const parent = mkdtempSync(join(tmpdir(), 'hub-e2e-'));
  chmodSync(parent, 0o711);
  return join(parent, 'data');
}

export function removeDataFolder(folder: string): void {
  rmSync(join(folder, '..'), { recursive: true, force: true });
}

/** The same program that `npm start` runs, once everything is built. */
export function spawnHub(env: Readonly<Record<string, string>>): { child: ChildProcess; stderr: () => string; ended: Promise<number | string> } {
  const { PATH = '', HOME = '' } = process.env;
  // Not the environment of the tests: the vendors' keys of whoever runs them must not take part.
  const child = spawn(process.execPath, [mainFile], { env: { PATH, HOME, ...anyPorts, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  const ended = new Promise<number | string>((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')));
  return { child, stderr: () => stderr, ended };
}

/** Starts a hub and waits until it is ready; an error with its messages if it ends instead. */
export async function startHub(env: Readonly<Record<string, string>>): Promise<HubProcess> {
  const { child, stderr, ended } = spawnHub(env);
  const lines: string[] = [];
  const ready = new Promise<ReadyLine>((resolve) => {
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.startsWith('hub ready ')) resolve(JSON.parse(line.slice('hub ready '.length)) as ReadyLine);
    });
  });
  const failed = ended.then((code): never => {
    throw new Error(`the hub ended with ${code} before it was ready:\n${stderr()}`);
  });
  failed.catch(() => undefined);
  return { child, ready: await Promise.race([ready, failed]), block: lines.slice(0, -1).join('\n'), ended, stderr };
}

/** Ctrl-C. */
export async function stopHub({ child, ended }: Pick<HubProcess, 'child' | 'ended'>): Promise<number | string> {
  child.kill('SIGINT');
  return ended;
}

export function manage({ ready }: HubProcess): ManagementClient {
  return createManagementClient(ready.controlPlaneUrl, ready.adminToken ?? '');
}
