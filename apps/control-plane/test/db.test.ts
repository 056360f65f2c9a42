import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type TestDatabase, testDatabase } from '@hub/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Database, createDatabase } from '../src/db.ts';
import { Prisma } from '../src/generated/prisma/client.ts';

let testBase: TestDatabase;
const opened: Database[] = [];

beforeAll(async () => {
  testBase = await testDatabase();
});

afterEach(async () => {
  for (const database of opened.splice(0)) await database.close();
});

afterAll(() => testBase.drop());

function open(options: { poolMax?: number; statementTimeoutMs?: number } = {}): Database & { warnings: unknown[] } {
  const warnings: unknown[] = [];
  const log = { warn: (...words: unknown[]) => void warnings.push(words) };
  const database = createDatabase({ url: testBase.url, poolMax: 2, log, ...options });
  opened.push(database);
  return { ...database, warnings };
}

it('has a model for every table', async () => {
  const { prisma } = open();
  const tables = await testBase.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY 1`);
  const models = Object.values(Prisma.ModelName);
  expect(models).toHaveLength(tables.length);
  const rows = await Promise.all([
    prisma.user.findMany(),
    prisma.key.findMany(),
    prisma.provider.findMany(),
    prisma.messageRequest.findMany(),
    prisma.modelPrice.findMany(),
    prisma.errorRule.findMany(),
    prisma.requestFilter.findMany(),
    prisma.sensitiveWord.findMany(),
    prisma.systemSettings.findMany(),
    prisma.notificationSettings.findMany(),
    prisma.webhookTarget.findMany({ include: { bindings: true } }),
    prisma.notificationTargetBinding.findMany({ include: { target: true } }),
    prisma.hubMeta.findMany(),
    prisma.hubConfigChange.findMany(),
    prisma.hubAuditLog.findMany(),
    prisma.hubUsageRollup.findMany(),
    prisma.hubNode.findMany(),
  ]);
  expect(rows).toHaveLength(models.length);
});

it('brings money, bytes, times and documents back as they were', async () => {
  const { prisma } = open();
  const keyHash = new Uint8Array(randomBytes(32));
  const expiresAt = new Date('2027-03-04T05:06:07.089Z');
  const user = await prisma.user.create({ data: { name: 'someone', limit5hUsd: '0.000001', dailyLimitUsd: '12.50', tags: ['a', 'b'] } });
  const key = await prisma.key.create({ data: { userId: user.id, key: 'sk-1', name: 'default', keyHash, expiresAt } });
  expect(user.limit5hUsd?.toFixed()).toBe('0.000001');
  expect(user.tags).toEqual(['a', 'b']);
  expect(await prisma.key.findUnique({ where: { id: key.id } })).toMatchObject({ keyHash, expiresAt, isEnabled: true, dailyResetMode: 'fixed' });
  // Without a zone, and meant as UTC, whatever zone this process is in.
  expect(await testBase.query('SELECT expires_at::text FROM keys')).toEqual([{ expires_at: '2027-03-04 05:06:07.089' }]);

  const cost = '0.044442000000001';
  const row = await prisma.messageRequest.create({ data: { providerId: 0, userId: user.id, key: 'sk-1', keyId: key.id, recordId: randomUUID(), costUsd: cost } });
  expect(row.costUsd?.toFixed()).toBe(cost);
  await expect(prisma.messageRequest.create({ data: { providerId: 0, userId: 1, key: 'k', recordId: row.recordId } })).rejects.toMatchObject({ code: 'P2002' });
});

it('undoes a transaction that fails', async () => {
  const { prisma } = open();
  const failing = prisma.$transaction(async (transaction) => {
    await transaction.sensitiveWord.create({ data: { word: 'undone' } });
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await prisma.sensitiveWord.count()).toBe(0);
  expect(await prisma.hubConfigChange.count({ where: { entity: 'sensitive_word' } })).toBe(0);
});

it('survives the loss of its idle connections', async () => {
  const { prisma, pool, warnings } = open();
  await prisma.$queryRaw`SELECT 1`;
  const lost = once(pool, 'error');
  await testBase.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
  await lost;
  expect(JSON.stringify(warnings)).toContain('lost an idle database connection');
  expect(await prisma.user.count()).toBeGreaterThanOrEqual(0);
});

it('ends a statement that takes too long, on both ways', async () => {
  const { prisma, pool } = open({ statementTimeoutMs: 50 });
  await expect(prisma.$executeRaw`SELECT pg_sleep(60)`).rejects.toThrow(/statement timeout/);
  await expect(pool.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: '57014' });
});

it('closes once, however often it is told to', async () => {
  const database = open();
  await database.prisma.$queryRaw`SELECT 1`;
  await Promise.all([database.close(), database.close()]);
  await expect(database.pool.query('SELECT 1')).rejects.toThrow();
});
