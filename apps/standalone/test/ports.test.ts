import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { readLauncherEnv } from '../src/env.ts';
import { checkPorts } from '../src/ports.ts';

const zero = { DATA_PLANE_PORT: '0', DATA_PLANE_OPS_PORT: '0', CONTROL_PLANE_PORT: '0', CONTROL_PLANE_GRPC_PORT: '0', CONTROL_PLANE_OPS_PORT: '0' };

async function takePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

it('names the port and the variable of one that is taken', async () => {
  for (const variable of Object.keys(zero)) {
    const port = await takePort();
    const env = readLauncherEnv({ ...zero, [variable]: String(port) });
    await expect(checkPorts(env)).rejects.toThrow(new RegExp(`^port ${port} on 127\\.0\\.0\\.1 is used by another program.* ${variable}$`));
  }
});

it('wants different ports', async () => {
  const env = readLauncherEnv({ ...zero, DATA_PLANE_PORT: '18080', CONTROL_PLANE_PORT: '18080' });
  await expect(checkPorts(env)).rejects.toThrow('DATA_PLANE_PORT and CONTROL_PLANE_PORT are both 18080');
});

it('names an address that is not this machine\'s', async () => {
  const env = readLauncherEnv({ ...zero, DATA_PLANE_PORT: '18080', HUB_BIND: '203.0.113.7' });
  await expect(checkPorts(env)).rejects.toThrow('HUB_BIND=203.0.113.7 is not an address of this machine');
});

it('leaves the choice to the system where the port is 0', async () => {
  await checkPorts(readLauncherEnv(zero));
});
