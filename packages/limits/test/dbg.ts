import { startRedis } from '@hub/testkit';
import { openRedis, createLimiter } from '../src/index.ts';
import { silentLogger, systemClock, recordId } from '@hub/service';
import { subject, usd, Books } from './world.ts';
import { Redis } from 'ioredis';
const server = await startRedis();
const memory = process.argv[2] === 'memory';
const redis = memory ? undefined : await openRedis({ urls: server.urls.join(','), log: silentLogger, waitMs: 10000 });
const limiter = createLimiter({ redis, warm: new Books().warm, clock: systemClock, log: silentLogger, redisTimeoutMs: 5000 });
const all = { totalNanos: usd(1e6), fiveHourNanos: usd(1e6), dailyNanos: usd(1e6), weeklyNanos: usd(1e6), monthlyNanos: usd(1e6), concurrentSessions: 1000 };
const users = Array.from({ length: 20 }, () => subject('user', all, { rpm: 1_000_000 }));
const keys = users.map(() => subject('key', all));
const provider = subject('provider', all);
const N = 20000, C = 64;
let next = 0, ms: number[] = [];
const t0 = performance.now(); const cpu0 = process.cpuUsage();
await Promise.all(Array.from({ length: C }, async () => {
  while (next < N) {
    const i = next++;
    const now = Date.now();
    const s = performance.now();
    const a = await limiter.reserve({ recordId: recordId(now), now, timeZone: 'Asia/Shanghai', key: keys[i % 20]!, user: users[i % 20]!, provider, session: { id: `s${i % 100}` } });
    ms.push(performance.now() - s);
    if (!a.ok) throw new Error(a.refusal.limitType);
    await a.hold.settle({ nanos: 1000n, now: Date.now(), binding: { providerId: 1, rule: 'absent' } });
  }
}));
const el = performance.now() - t0; const cpu = process.cpuUsage(cpu0);
ms.sort((a, b) => a - b);
console.log({ rps: Math.round(N / el * 1000), cpuUsPerReq: Math.round((cpu.user + cpu.system) / N), p50: ms[N / 2], p99: ms[Math.floor(N * .99)], mode: limiter.mode });
if (!memory) { const rr = new Redis(server.url); console.log((await rr.info('cpu')).split('\n').slice(1,3).join(' ')); rr.disconnect(); const r = new Redis(server.url); console.log((await r.info('commandstats')).split('\n').filter(l => /evalsha|eval:/.test(l)).join('\n')); console.log((await r.info('memory')).split('\n')[2]); r.disconnect(); }
await server.stop(); process.exit(0);
