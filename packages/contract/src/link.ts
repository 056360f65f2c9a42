import * as grpc from '@grpc/grpc-js';
import { secretsEqual } from '@hub/service';

/** How the planes know each other: a shared token in the metadata of every call. */

const header = 'authorization';

/** Both sides ping, so that a connection that a firewall forgot is noticed within seconds. Messages up to 64 MiB. */
export const channelOptions: grpc.ChannelOptions = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': 64 * 1024 * 1024,
  // The link brings its own back-off; without this a control plane that comes back is noticed up to two minutes late.
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.initial_reconnect_backoff_ms': 200,
};

/**
 * `PLANE_TOKEN` may hold several tokens, comma separated: the first is the one that this side presents, every one is
 * accepted. So a token rotates without a moment in which the planes refuse each other.
 */
export function parsePlaneTokens(value: string): readonly string[] {
  return value.split(',').map((token) => token.trim()).filter((token) => token !== '');
}

export function planeMetadata(tokens: readonly string[]): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set(header, `Bearer ${tokens[0] ?? ''}`);
  return metadata;
}

/** @returns a reason to refuse the call, or undefined */
export function checkPlaneToken(tokens: readonly string[], metadata: grpc.Metadata): string | undefined {
  const [value] = metadata.get(header);
  const presented = typeof value === 'string' ? value.replace(/^Bearer /i, '') : '';
  const known = tokens.some((token) => secretsEqual(token, presented));
  return known ? undefined : 'the plane token is missing or wrong (PLANE_TOKEN must be the same on both planes)';
}

export interface TlsFiles {
  /** PEM contents. */
  readonly ca?: Buffer;
  readonly certificate?: Buffer;
  readonly key?: Buffer;
}

export function clientCredentials(tls: TlsFiles | undefined): grpc.ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.certificate ?? null);
}

/** With a certificate authority given, clients must present a certificate of it (mTLS). */
export function serverCredentials(tls: TlsFiles | undefined): grpc.ServerCredentials {
  if (tls?.key === undefined || tls.certificate === undefined) return grpc.ServerCredentials.createInsecure();
  const pair = { private_key: tls.key, cert_chain: tls.certificate };
  return grpc.ServerCredentials.createSsl(tls.ca ?? null, [pair], tls.ca !== undefined);
}
