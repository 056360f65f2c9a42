import { hostname } from 'node:os';
import { flag, integer, logLevels, oneOf, port, readSettings, type SettingValues, text } from '@hub/service';

/** Every setting of this process, in one place. Names that v0.3.42 has keep their meaning. */
const spec = {
  port: port('DATA_PLANE_PORT', 8080, 'where clients connect'),
  opsPort: port('DATA_PLANE_OPS_PORT', 9080, '/livez, /readyz, /metrics'),
  bind: text('HUB_BIND', '0.0.0.0', 'address of both ports'),
  controlPlane: text('CONTROL_PLANE_GRPC_URL', '127.0.0.1:8082', 'host:port, http://host:port or https://host:port of the control plane'),
  planeToken: text('PLANE_TOKEN', '', 'shared with the control plane; several, comma separated, while it rotates'),
  planeTlsCa: text('PLANE_TLS_CA', '', 'file: certificate authority of the control plane (turns TLS on)'),
  planeTlsCert: text('PLANE_TLS_CERT', '', 'file: our certificate, for mTLS'),
  planeTlsKey: text('PLANE_TLS_KEY', '', 'file: its key'),
  masterKey: text('HUB_MASTER_KEY', '', 'seals the snapshot on disk; without it the plane token does'),
  dataDir: text('HUB_DATA_DIR', '.data', 'folder of the ledger and of the last good snapshot'),
  redisUrl: text('REDIS_URL', '', 'shared limits, sessions and breakers; without it they are this process’s own'),
  workers: integer('WORKERS', 1, { min: 1, max: 256 }, 'processes that share the port'),
  nodeName: text('HUB_NODE_NAME', hostname(), 'how this node is called in the admin API'),
  logLevel: oneOf('LOG_LEVEL', logLevels, 'info', 'fatal … trace'),
  maxAttempts: integer('MAX_RETRY_ATTEMPTS_DEFAULT', 2, { min: 1, max: 10 }, 'attempts per provider that has no own number'),
  connectTimeoutMs: integer('FETCH_CONNECT_TIMEOUT', 30_000, { min: 100, max: 600_000 }, 'ms until an upstream must accept'),
  headersTimeoutMs: integer('FETCH_HEADERS_TIMEOUT', 600_000, { min: 1000, max: 3_600_000 }, 'ms until an upstream must answer'),
  bodyTimeoutMs: integer('FETCH_BODY_TIMEOUT', 600_000, { min: 1000, max: 3_600_000 }, 'ms of silence inside an answer'),
  breakerCountsNetworkErrors: flag('ENABLE_CIRCUIT_BREAKER_ON_NETWORK_ERRORS', false, 'whether refused and reset connections open a breaker'),
  smartProbing: flag('ENABLE_SMART_PROBING', false, 'whether providers with an open breaker are asked if they are well again'),
  probeIntervalMs: integer('PROBE_INTERVAL_MS', 30_000, { min: 100, max: 3_600_000 }, 'ms between two rounds of that'),
  probeTimeoutMs: integer('PROBE_TIMEOUT_MS', 5000, { min: 100, max: 60_000 }, 'ms that a provider gets to answer it'),
  drainTimeoutMs: integer('HUB_DRAIN_TIMEOUT_MS', 60_000, { min: 0, max: 3_600_000 }, 'ms that open streams get when the process is asked to stop'),
  shortContextThreshold: integer('SHORT_CONTEXT_THRESHOLD', 2, { min: 0, max: 100 }, 'conversations up to this length get a session of their own while theirs is in use'),
  shortContextDetection: flag('ENABLE_SHORT_CONTEXT_DETECTION', true, 'whether they do'),
  redisTimeoutMs: integer('HUB_REDIS_TIMEOUT_MS', 80, { min: 5, max: 10_000 }, 'ms that a silent Redis may cost a request, once; then limits go on in memory'),
  holdLeaseMs: integer('HUB_HOLD_LEASE_MS', 60_000, { min: 2000, max: 3_600_000 }, 'ms until what a dead process held comes back'),
  rateLimits: flag('ENABLE_RATE_LIMIT', true, 'false: no limits and no Redis at all'),
  sessionTtlSeconds: integer('SESSION_TTL', 300, { min: 10, max: 86_400 }, 'seconds that a session remembers its provider'),
  allowPrivateUpstreams: flag('ALLOW_PRIVATE_UPSTREAMS', false, 'whether providers may live on private and loopback addresses'),
} as const;

export type Env = SettingValues<typeof spec>;

/** @throws SettingsError naming every variable that could not be read */
export function readEnv(source: Readonly<Record<string, string | undefined>> = process.env): Env {
  return readSettings(spec, source);
}
