import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, type ChildOptions, pinSelf, raisePriority, startChild, startRedisServer } from './child.ts';
import { type ControlPlane, planeToken, startControlPlane } from './control-plane.ts';
import type { Job, Measured, Reply, Target } from './load/job.ts';
import { cpuMs } from './proc-stats.ts';
import { observeRedis, type RedisObserver } from './redis-stats.ts';

/** All that a measurement needs, as processes: upstream, Redis, control plane, load generator, and the proxies under test. */

export interface StageOptions {
  /** Keeps the proxies on a core of their own, everything else away from it. */
  readonly pin: boolean;
  readonly hardBudgets: boolean;
}

export interface Stage {
  readonly redis: RedisObserver;
  readonly controlPlane: ControlPlane;
  /** Past the proxies. */
  readonly upstream: Target;
  run(job: Job): Promise<Measured>;
  /** Right answers that came from data planes so far, streams that were held open not counted. */
  readonly served: number;
  /** Processor time of all processes of the bench so far, those that have ended too. ms */
  ourCpuMs(): number;
  startBareProxy(): Promise<Proxy>;
  /** @param entry the data plane's program */
  startDataPlane(entry: string): Promise<Proxy>;
  /** With node's debugger listening. */
  startInspectedDataPlane(entry: string): Promise<{ readonly proxy: Proxy; readonly debuggerUrl: string }>;
  stop(): Promise<void>;
}

export interface Proxy extends Target {
  readonly pid: number;
  stop(): Promise<void>;
}

export const dataPlaneEntry = fileURLToPath(new URL('../../../apps/data-plane/dist/main.js', import.meta.url));
const own = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export async function openStage({ pin, hardBudgets }: StageOptions): Promise<Stage> {
  const cores = coresFor(pin ? availableParallelism() : 1);
  if (cores.rest !== undefined) pinSelf(cores.rest);
  raisePriority();
  const opened: (() => Promise<void> | void)[] = [];
  const proxies = new Map<number, 'running' | { readonly cpuMs: number }>();
  const dataPlanes = new Set<number | undefined>();
  let served = 0;
  const stop = async (): Promise<void> => {
    for (const close of opened.splice(0).toReversed()) await close();
  };
  const keep = (child: Child): Child => {
    opened.push(() => child.stop());
    return child;
  };
  try {
    const folder = mkdtempSync(join(tmpdir(), 'hub-bench-'));
    opened.push(() => rmSync(folder, { recursive: true, force: true }));
    const upstream = keep(await startChild({ name: 'the upstream', entry: own('./upstream.js'), env: {}, core: cores.upstream }));
    const upstreamUrl = `http://127.0.0.1:${upstream.port}`;
    const redisServer = keep(await startRedisServer(await freePort(), cores.rest));
    const redis = observeRedis(redisServer.port);
    opened.push(() => redis.close());
    const controlPlane = await startControlPlane(upstreamUrl, { hardBudgets });
    opened.push(() => controlPlane.stop());
    const generator = keep(await startChild({ name: 'the load generator', entry: own('./load/generator.js'), env: {}, core: cores.generator }));
    const others = [upstream.pid, redisServer.pid, generator.pid, process.pid];
    const keepProxy = (child: Child): Proxy => {
      proxies.set(child.pid, 'running');
      const end = async (): Promise<void> => {
        if (proxies.get(child.pid) === 'running') proxies.set(child.pid, { cpuMs: cpuMs(child.pid) });
        await child.stop();
      };
      opened.push(end);
      return { port: child.port, pid: child.pid, stop: end };
    };
    const startDataPlane = async (entry: string, more: Pick<ChildOptions, 'nodeOptions' | 'onLine'>): Promise<Proxy> => {
      const env = {
        DATA_PLANE_PORT: '0',
        DATA_PLANE_OPS_PORT: '0',
        HUB_BIND: '127.0.0.1',
        PLANE_TOKEN: planeToken,
        CONTROL_PLANE_GRPC_URL: controlPlane.address,
        REDIS_URL: `redis://127.0.0.1:${redisServer.port}`,
        HUB_DATA_DIR: join(folder, `data-plane-${dataPlanes.size}`),
        ALLOW_PRIVATE_UPSTREAMS: '1',
        NODE_ENV: 'production',
      };
      const child = await startChild({ name: 'the data plane', entry, env, core: cores.proxy, ...more });
      dataPlanes.add(child.pid);
      return keepProxy(child);
    };
    return {
      redis,
      controlPlane,
      upstream: { port: upstream.port, pid: undefined },
      get served() {
        return served;
      },
      ourCpuMs() {
        const ofProxies = [...proxies].map(([pid, state]) => (state === 'running' ? cpuMs(pid) : state.cpuMs));
        return [...others.map(cpuMs), ...ofProxies].reduce((sum, used) => sum + used, 0);
      },
      async run(job) {
        const measured = await ask(generator, job);
        if (job.kind !== 'open' && job.kind !== 'close' && dataPlanes.has(job.target.pid)) served += measured.all;
        return measured;
      },
      async startBareProxy() {
        const child = await startChild({ name: 'the bare proxy', entry: own('./bare-proxy.js'), env: { BENCH_UPSTREAM: upstreamUrl }, core: cores.proxy });
        return keepProxy(child);
      },
      startDataPlane: (entry) => startDataPlane(entry, {}),
      async startInspectedDataPlane(entry) {
        let debuggerUrl = '';
        const onLine = (line: string): void => void (debuggerUrl ||= /ws:\S+/.exec(line)?.[0] ?? '');
        const proxy = await startDataPlane(entry, { nodeOptions: ['--inspect=127.0.0.1:0'], onLine });
        return { proxy, debuggerUrl };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The proxies alone on one core; the others share what there is beside it. */
function coresFor(count: number): Record<'proxy' | 'upstream' | 'generator' | 'rest', number | undefined> {
  if (count < 2) return { proxy: undefined, upstream: undefined, generator: undefined, rest: undefined };
  const at = (core: number): number => Math.min(core, count - 1);
  return { proxy: 0, upstream: at(1), generator: at(2), rest: at(3) };
}

async function ask(generator: Child, job: Job): Promise<Measured> {
  generator.process.send(job);
  const [reply] = (await once(generator.process, 'message')) as [Reply];
  if (reply.kind === 'failed') throw new Error(`the load generator failed: ${reply.message}`);
  return reply.measured;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
