import { flag, integer, logLevels, oneOf, port, readSettings, type Setting, type SettingValues, text } from '@hub/service';

type Source = Readonly<Record<string, string | undefined>>;

/** What v0.3.42's example file says instead of a token. */
const unsetToken = 'change-me';

/** Settings of `npm start`. Every other variable goes on to the planes, which have settings of their own. */
const launcherSpec = {
  dataPlanePort: port('DATA_PLANE_PORT', 8080, 'where clients connect'),
  dataPlaneOpsPort: port('DATA_PLANE_OPS_PORT', 9080, '/livez, /readyz and /metrics of the data plane'),
  controlPlanePort: port('CONTROL_PLANE_PORT', 8081, 'management API'),
  controlPlaneGrpcPort: port('CONTROL_PLANE_GRPC_PORT', 8082, 'where data planes connect'),
  controlPlaneOpsPort: port('CONTROL_PLANE_OPS_PORT', 9081, '/livez, /readyz and /metrics of the control plane'),
  bind: text('HUB_BIND', '127.0.0.1', 'address of all these ports; 0.0.0.0 lets other machines in'),
  dataDir: text('HUB_DATA_DIR', '', 'folder for everything that is kept; default .data in the checkout'),
  databaseUrl: text(['DATABASE_URL', 'DSN'], '', 'your PostgreSQL; without it one is started in the data folder'),
  databaseWaitSeconds: integer('DATABASE_WAIT_SECONDS', 10, { min: 0, max: 3600 }, 'how long your PostgreSQL may take to come up'),
  adminToken: adminToken(),
  planeToken: text('PLANE_TOKEN', '', 'shared by the planes; generated if unset'),
  masterKey: text('HUB_MASTER_KEY', '', 'seals secrets at rest; generated if unset'),
  demo: flag('HUB_DEMO', true, 'whether the demo upstream and its user, key and providers exist'),
  logLevel: oneOf('LOG_LEVEL', logLevels, 'warn', 'of every process, fatal … trace'),
  drainTimeoutMs: integer('HUB_DRAIN_TIMEOUT_MS', 10_000, { min: 0, max: 3_600_000 }, 'ms that open streams get when the hub is stopped'),
  allowPrivateUpstreams: text('ALLOW_PRIVATE_UPSTREAMS', '', 'whether providers may live on private addresses; on while there is a demo'),
  anthropicKey: text('ANTHROPIC_API_KEY', '', 'makes a provider for Claude, once'),
  anthropicUrl: text('ANTHROPIC_BASE_URL', 'https://api.anthropic.com', 'where that provider is'),
  openaiKey: text('OPENAI_API_KEY', '', 'makes a provider for Responses and one for chat completions, once'),
  openaiUrl: text('OPENAI_BASE_URL', 'https://api.openai.com', 'where they are'),
  geminiKey: text('GEMINI_API_KEY', '', 'makes a provider for Gemini, once'),
  geminiUrl: text(['GEMINI_BASE_URL', 'GOOGLE_GEMINI_BASE_URL'], 'https://generativelanguage.googleapis.com', 'where that provider is'),
} as const;

export type LauncherEnv = SettingValues<typeof launcherSpec>;

/** @throws SettingsError naming every variable that could not be read */
export function readLauncherEnv(source: Source = process.env): LauncherEnv {
  return readSettings(launcherSpec, source);
}

const demoSpec = {
  key: text('HUB_DEMO_UPSTREAM_KEY', '', 'the key that it accepts'),
  preferredPort: port('HUB_DEMO_UPSTREAM_PORT', 0, 'the port to listen on if it is free'),
  logLevel: oneOf('LOG_LEVEL', logLevels, 'warn', 'fatal … trace'),
} as const;

/** Settings of the demo upstream's process. @throws SettingsError */
export function readDemoEnv(source: Source = process.env): SettingValues<typeof demoSpec> {
  return readSettings(demoSpec, source);
}

/** Vendors' credentials end here: from now on they live sealed in the database, the planes do not need them. */
const notForChildren = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'OPENAI_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY', 'DSN', 'NODE_CHANNEL_FD'];

/** The environment of a child: ours, with what is set here instead. */
export function childEnvironment(own: Readonly<Record<string, string>>, source: Source = process.env): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) {
    if (value !== undefined && !notForChildren.includes(name)) environment[name] = value;
  }
  return { ...environment, ...own };
}

function adminToken(): Setting<string> {
  const setting = text('ADMIN_TOKEN', '', 'signs in to the management API; generated if unset');
  return { ...setting, parse: (value) => (value === unsetToken ? '' : value) };
}
