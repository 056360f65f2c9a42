import { readFileSync } from 'node:fs';
import { parsePlaneTokens, type TlsFiles } from '@hub/contract';
import { flag, integer, logLevels, oneOf, port, readSettings, type Setting, SettingsError, text } from '@hub/service';

/** v0.3.42 shipped this as the example, so it is nobody's token. */
const exampleAdminToken = 'change-me';

function file(name: string, doc: string): Setting<Buffer | undefined> {
  const parse = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new Error(`names a file that cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  return { names: [name], parse, fallback: undefined, doc };
}

function zone(name: string, fallback: string, doc: string): Setting<string> {
  const parse = (value: string): string => {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
    } catch {
      throw new Error(`must be a time zone such as Asia/Shanghai, not "${value}"`);
    }
  };
  return { names: [name], parse, fallback, doc };
}

/** What was wrong is not repeated: it may hold a password. */
function redis(name: string, doc: string): Setting<string | undefined> {
  const parse = (value: string): string => {
    const usable = value.split(',').every((url) => /^rediss?:\/\//.test(url.trim()) && URL.canParse(url.trim()));
    if (!usable) throw new Error('must be redis://host:port or rediss://…, several nodes of a cluster separated by commas');
    return value;
  };
  return { names: [name], parse, fallback: undefined, doc };
}

const settings = {
  bind: text('HUB_BIND', '0.0.0.0', 'address that the HTTP, gRPC and operations ports listen on'),
  httpPort: port('CONTROL_PLANE_PORT', 8081, 'management API; 0 = any free port'),
  grpcPort: port('CONTROL_PLANE_GRPC_PORT', 8082, 'where data planes connect; 0 = any free port'),
  opsPort: port('CONTROL_PLANE_OPS_PORT', 9081, '/livez, /readyz and /metrics; 0 = any free port'),
  databaseUrl: text(['DATABASE_URL', 'DSN'], undefined, 'PostgreSQL, as postgresql://user:password@host:port/database'),
  databasePoolMax: integer('DB_POOL_MAX', 20, { min: 1, max: 200 }, 'connections to PostgreSQL at the most'),
  databaseWaitSeconds: integer('DATABASE_WAIT_SECONDS', 60, { min: 0, max: 3600 }, 'how long a start waits for a database that is not up yet'),
  autoMigrate: flag('AUTO_MIGRATE', true, 'bring the database up to date at start'),
  redisUrl: redis('REDIS_URL', 'the Redis of the data planes, to see and reset what they share; unset = they keep it to themselves'),
  adminToken: text('ADMIN_TOKEN', undefined, 'whoever has it is admin; unset = only users whose role is admin are'),
  masterKey: text('HUB_MASTER_KEY', undefined, 'seals secrets in the database; at least 16 characters, best from "openssl rand -hex 32"'),
  secretsAtRest: oneOf('SECRETS_AT_REST', ['sealed', 'plain'], 'sealed', 'plain only while v0.3.42 uses the same database'),
  planeToken: text('PLANE_TOKEN', undefined, 'what planes know each other by; several, comma separated, while it changes'),
  tlsCertificate: file('PLANE_TLS_CERT', 'PEM file: certificate of the gRPC port'),
  tlsKey: file('PLANE_TLS_KEY', 'PEM file: its private key'),
  tlsAuthority: file('PLANE_TLS_CA', 'PEM file: data planes must show a certificate of this authority'),
  timeZone: zone('TZ', 'Asia/Shanghai', 'days, weeks and months begin by its clock'),
  logLevel: oneOf('LOG_LEVEL', logLevels, 'info', logLevels.join(', ')),
  secureCookies: flag('ENABLE_SECURE_COOKIES', true, 'send the login cookie over HTTPS only'),
  appUrl: text('APP_URL', undefined, 'where the management API is reached from outside; for its documentation'),
  trustedProxies: integer('TRUSTED_PROXIES', 0, { min: 0, max: 16 }, 'how many proxies before it tell the client address by X-Forwarded-For'),
  allowPrivateUpstreams: flag('ALLOW_PRIVATE_UPSTREAMS', false, 'let providers lie on private, local and link-local addresses'),
};

type Values = ReturnType<typeof readSettings<typeof settings>>;
export type Env = Omit<Values, 'databaseUrl' | 'planeToken' | 'tlsCertificate' | 'tlsKey' | 'tlsAuthority'> & {
  readonly databaseUrl: string;
  readonly planeTokens: readonly string[];
  readonly tls: TlsFiles | undefined;
};

/**
 * The settings of this process.
 * @throws SettingsError naming every variable that is missing or wrong
 */
export function readEnv(source: Readonly<Record<string, string | undefined>> = process.env): Env {
  const { databaseUrl, planeToken, tlsCertificate, tlsKey, tlsAuthority, ...values } = readSettings(settings, source);
  const planeTokens = parsePlaneTokens(planeToken ?? '');
  const problems: string[] = [];
  if (databaseUrl === undefined) problems.push('DATABASE_URL is not set (postgresql://user:password@host:port/database)');
  if (planeTokens.length === 0) problems.push('PLANE_TOKEN is not set: make one with "openssl rand -hex 32" and give it to both planes');
  if ((tlsCertificate === undefined) !== (tlsKey === undefined)) problems.push('PLANE_TLS_CERT and PLANE_TLS_KEY go together');
  if (databaseUrl === undefined || problems.length > 0) throw new SettingsError(problems);
  const adminToken = values.adminToken === exampleAdminToken ? undefined : values.adminToken;
  const tls = tlsCertificate === undefined || tlsKey === undefined ? undefined : { certificate: tlsCertificate, key: tlsKey, ...(tlsAuthority !== undefined && { ca: tlsAuthority }) };
  return { ...values, adminToken, databaseUrl, planeTokens, tls };
}
