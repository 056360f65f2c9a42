import { Redis } from 'ioredis';

/** What a Redis server has done so far; differences of two of these are what a measurement cost it. */
export interface RedisWork {
  /** Times that the server found something to read on a connection: a pipeline that leaves in one write counts once. */
  readonly reads: number;
  /** Script calls. (INFO's other counts hold what runs inside the scripts too.) */
  readonly scripts: number;
  readonly cpuMs: number;
}

export interface RedisObserver {
  work(): Promise<RedisWork>;
  close(): void;
}

export function observeRedis(port: number): RedisObserver {
  const redis = new Redis({ host: '127.0.0.1', port });
  let ownReads = 0;
  return {
    async work() {
      const before = ownReads;
      ownReads += 1;
      const info = await redis.info('everything');
      const number = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? 0);
      const calls = (command: string): number => Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(info)?.[1] ?? 0);
      return {
        reads: number('total_reads_processed') - before,
        scripts: calls('evalsha') + calls('eval'),
        cpuMs: (number('used_cpu_user') + number('used_cpu_sys')) * 1000,
      };
    },
    close: () => redis.disconnect(),
  };
}

export function redisDifference(before: RedisWork, after: RedisWork): RedisWork {
  return { reads: after.reads - before.reads, scripts: after.scripts - before.scripts, cpuMs: after.cpuMs - before.cpuMs };
}
