import { createServer } from 'node:net';
import type { LauncherEnv } from './env.ts';
import { StartError } from './terminal.ts';

/**
 * Sees to it that every port is free before anything is started, so that the reason why the hub can't start names the
 * variable and comes at once.
 *
 * @throws StartError
 */
export async function checkPorts(env: LauncherEnv): Promise<void> {
  const wanted: readonly (readonly [variable: string, port: number])[] = [
    ['DATA_PLANE_PORT', env.dataPlanePort],
    ['CONTROL_PLANE_PORT', env.controlPlanePort],
    ['CONTROL_PLANE_GRPC_PORT', env.controlPlaneGrpcPort],
    ['DATA_PLANE_OPS_PORT', env.dataPlaneOpsPort],
    ['CONTROL_PLANE_OPS_PORT', env.controlPlaneOpsPort],
  ];
  const seen = new Map<number, string>();
  for (const [variable, port] of wanted) {
    if (port === 0) continue;
    const other = seen.get(port);
    if (other !== undefined) throw new StartError(`${other} and ${variable} are both ${port}: each needs a port of its own`);
    seen.set(port, variable);
    const problem = await tryPort(env.bind, port);
    if (problem !== undefined) throw new StartError(explain(problem, variable, port, env.bind));
  }
}

/** A port that is free now, for a process that others have to find before it says where it listens. */
export function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** @returns the error's code if the port can't be listened on */
function tryPort(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

function explain(problem: string, variable: string, port: number, bind: string): string {
  switch (problem) {
    case 'EADDRINUSE':
      return `port ${port} on ${bind} is used by another program: stop that, or choose another port with ${variable}`;
    case 'EACCES':
      return `port ${port} is reserved for privileged users: choose one above 1023 with ${variable}`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HUB_BIND=${bind} is not an address of this machine`;
    default:
      return `can't listen on port ${port} of ${bind} (${variable}): ${problem}`;
  }
}
