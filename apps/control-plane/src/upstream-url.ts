import { BlockList, isIP } from 'node:net';
import { Failure } from './failure.ts';

/**
 * Addresses that a provider's URL must not point to, so that whoever may add providers cannot reach the hub's own network
 * through it: this host, private and shared networks (RFC 1918, 6598, 4193), link-local (cloud metadata lives there),
 * and what is no host at all (RFC 6890). Names are not resolved here; what they point to may change anyway.
 */
const internal = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  internal.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  internal.addSubnet(network, prefix, 'ipv6');
}

const internalNames = /(^|\.)(localhost|local|internal|localdomain|home\.arpa)$/;

/** Whether a URL's host is, by what it says, inside. IPv4 in any spelling has been normalised by the URL parser. */
export function isInternalHost(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, '');
  const address = host.startsWith('[') ? host.slice(1, -1) : host;
  switch (isIP(address)) {
    case 4:
      return internal.check(address, 'ipv4');
    case 6:
      // BlockList looks through IPv4-mapped addresses by itself.
      return internal.check(address, 'ipv6');
    default:
      return internalNames.test(host);
  }
}

/**
 * @param field its name, for the sentence
 * @throws Failure (INVALID_URL)
 */
export function checkUpstreamUrl(value: string, field: string, allowPrivate: boolean): void {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Failure('upstreamUrlScheme', { params: { field }, code: 'INVALID_URL' });
  }
  if (!allowPrivate && isInternalHost(url.hostname)) {
    throw new Failure('upstreamUrlPrivate', { params: { field, host: url.hostname }, code: 'INVALID_URL' });
  }
}

const proxySchemes = new Set(['http:', 'https:', 'socks5:', 'socks4:']);

/** @throws Failure */
export function checkProxyUrl(value: string): void {
  if (!URL.canParse(value) || !proxySchemes.has(new URL(value).protocol)) throw new Failure('proxyUrlInvalid');
}
