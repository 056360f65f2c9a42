import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Announcement } from '@hub/service';

/** Listens on a free loopback port and tells the launcher, in the words in which the planes do; ends with the launcher. */
export async function announcePort(server: Server): Promise<void> {
  process.once('disconnect', () => process.exit(0));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  process.send?.({ type: 'ready', plane: 'bench', ports: { http: port } } satisfies Announcement);
}
