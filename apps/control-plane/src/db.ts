import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from './generated/prisma/client.ts';
export function createDatabase({ url, poolMax }: { url: string; poolMax: number; log: unknown }) {
  const pool = new pg.Pool({ connectionString: url, max: poolMax });
  pool.on('error', () => {});
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  return { prisma, pool, close: async () => { await prisma.$disconnect(); await pool.end().catch(() => {}); } };
}
