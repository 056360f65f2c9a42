import { fileURLToPath } from 'node:url';
import type { DataFolder } from './data-folder.ts';
import { childEnvironment, type LauncherEnv } from './env.ts';
import type { ProcessPlan } from './supervised-process.ts';

/** What the processes share and the world does not know. */
export interface Secrets {
  readonly adminToken: string;
  readonly planeToken: string;
  readonly masterKey: string;
}

/** Both planes are the same main files that production runs. */
const mainFile = (app: string) => fileURLToPath(new URL(`../../${app}/dist/main.js`, import.meta.url));

export interface PlaneOptions {
  readonly env: LauncherEnv;
  readonly folder: DataFolder;
  readonly secrets: Secrets;
  /** Where the planes meet. */
  readonly grpcPort: number;
}

export function controlPlanePlan({ env, folder, secrets, grpcPort }: PlaneOptions, databaseUrl: string): ProcessPlan {
  return {
    title: 'the control plane',
    script: mainFile('control-plane'),
    environment: (last) =>
      childEnvironment({
        ...shared(env, secrets),
        CONTROL_PLANE_PORT: String(last?.['http'] ?? env.controlPlanePort),
        CONTROL_PLANE_GRPC_PORT: String(grpcPort),
        CONTROL_PLANE_OPS_PORT: String(last?.['ops'] ?? env.controlPlaneOpsPort),
        DATABASE_URL: databaseUrl,
        DATABASE_WAIT_SECONDS: String(env.databaseWaitSeconds),
        ADMIN_TOKEN: secrets.adminToken,
        HUB_DATA_DIR: folder.folder('control-plane'),
      }),
  };
}

export function dataPlanePlan({ env, folder, secrets, grpcPort }: PlaneOptions): ProcessPlan {
  return {
    title: 'the data plane',
    script: mainFile('data-plane'),
    environment: (last) =>
      childEnvironment({
        ...shared(env, secrets),
        DATA_PLANE_PORT: String(last?.['http'] ?? env.dataPlanePort),
        DATA_PLANE_OPS_PORT: String(last?.['ops'] ?? env.dataPlaneOpsPort),
        CONTROL_PLANE_GRPC_URL: `${connectHost(env.bind)}:${grpcPort}`,
        HUB_DATA_DIR: folder.folder('data-plane'),
        // It has no business with either.
        DATABASE_URL: '',
        ADMIN_TOKEN: '',
      }),
  };
}

export function demoUpstreamPlan(env: LauncherEnv, key: string, port: number): ProcessPlan {
  return {
    title: 'the demo upstream',
    script: fileURLToPath(new URL('./demo/main.js', import.meta.url)),
    environment: (last) =>
      childEnvironment({
        LOG_LEVEL: env.logLevel,
        HUB_DEMO_UPSTREAM_KEY: key,
        HUB_DEMO_UPSTREAM_PORT: String(last?.['http'] ?? port),
        DATABASE_URL: '',
        REDIS_URL: '',
        ADMIN_TOKEN: '',
        PLANE_TOKEN: '',
        HUB_MASTER_KEY: '',
      }),
  };
}

/** The address at which this machine reaches what listens on `bind`, as it stands in a URL. */
export function connectHost(bind: string): string {
  if (bind === '0.0.0.0') return '127.0.0.1';
  if (bind === '::' || bind === '[::]') return '[::1]';
  return bind.includes(':') && !bind.startsWith('[') ? `[${bind}]` : bind;
}

function shared(env: LauncherEnv, { planeToken, masterKey }: Secrets): Record<string, string> {
  return {
    HUB_BIND: env.bind,
    PLANE_TOKEN: planeToken,
    HUB_MASTER_KEY: masterKey,
    LOG_LEVEL: env.logLevel,
    HUB_DRAIN_TIMEOUT_MS: String(env.drainTimeoutMs),
    // The demo upstream lives on this machine's own address.
    ALLOW_PRIVATE_UPSTREAMS: env.allowPrivateUpstreams || (env.demo ? '1' : '0'),
  };
}
