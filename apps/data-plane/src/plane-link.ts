import { readFile } from 'node:fs/promises';
import {
  channelOptions,
  type Client,
  clientCredentials,
  createRpcClient,
  LimitsService,
  parsePlaneTokens,
  planeMetadata,
  type TlsFiles,
  UsageService,
  wire,
} from '@hub/contract';
import type { Env } from './env.ts';

/** The control plane's three services. */
export interface PlaneLink {
  readonly config: Client<typeof wire.ConfigService>;
  readonly usage: Client<typeof UsageService>;
  readonly limits: Client<typeof LimitsService>;
  close(): void;
}

/** @throws if the plane token is missing or a TLS file cannot be read */
export async function openPlaneLink(env: Env): Promise<PlaneLink> {
  const tokens = parsePlaneTokens(env.planeToken);
  if (tokens.length === 0) throw new Error('PLANE_TOKEN is not set: it must be the same on both planes');
  const { target, tls } = await linkTarget(env);
  const metadata = planeMetadata(tokens);
  const options = { target, credentials: clientCredentials(tls), metadata: () => metadata, channel: channelOptions };
  const clients = {
    config: createRpcClient(wire.ConfigService, options),
    usage: createRpcClient(UsageService, options),
    limits: createRpcClient(LimitsService, options),
  };
  return {
    ...clients,
    close() {
      for (const client of Object.values(clients)) client.close();
    },
  };
}

/** host:port is plain; https:// or a certificate authority turns TLS on; our own certificate makes it mTLS. */
async function linkTarget(env: Env): Promise<{ target: string; tls: TlsFiles | undefined }> {
  const url = /^https?:\/\//.test(env.controlPlane) ? new URL(env.controlPlane) : undefined;
  const target = url === undefined ? env.controlPlane : url.host;
  if (url?.protocol !== 'https:' && env.planeTlsCa === '') return { target, tls: undefined };
  const [ca, certificate, key] = await Promise.all([env.planeTlsCa, env.planeTlsCert, env.planeTlsKey].map((path) => (path === '' ? undefined : readFile(path))));
  return { target, tls: { ...(ca && { ca }), ...(certificate && { certificate }), ...(key && { key }) } };
}
