#!/usr/bin/env node
/**
 * Says whether prisma/migrations and prisma/schema.prisma describe the same database: applies the migrations to a
 * throwaway PostgreSQL and lets Prisma compare. Exit status 0 if they do, 2 with the difference if they don't.
 * Needs a build, since the database comes from @hub/postgres.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { startEmbedded } from '../../packages/postgres/dist/index.js';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const prisma = join(createRequire(import.meta.url).resolve('prisma/package.json'), '../build/index.js');
const folder = mkdtempSync(join(tmpdir(), 'hub-drift-'));
// Entered by the account that PostgreSQL runs as if this is root.
chmodSync(folder, 0o755);

try {
  process.exitCode = await compare();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function compare() {
  const log = { debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error };
  const database = await startEmbedded({ dataDir: join(folder, 'data'), engine: 'postgres', durable: false, log });
  try {
    // The shadow database is one of its own because Prisma empties it.
    await createDatabase(database.url, 'shadow');
    const shadow = new URL(database.url);
    shadow.pathname = '/shadow';
    const options = ['--from-migrations', 'prisma/migrations', '--to-schema', 'prisma/schema.prisma', '--exit-code'];
    return await runPrisma(['migrate', 'diff', ...options], { DATABASE_URL: database.url, SHADOW_DATABASE_URL: shadow.href });
  } finally {
    await database.stop();
  }
}

async function createDatabase(url, name) {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
}

/** @returns the exit status */
async function runPrisma(args, environment) {
  const child = spawn(process.execPath, [prisma, ...args, '--config', 'prisma/prisma.config.ts'], {
    cwd: repository,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [status] = await once(child, 'exit');
  return status;
}
