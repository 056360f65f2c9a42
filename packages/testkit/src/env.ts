import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What the testkit takes from its environment. */
export const environment = {
  /** A Redis to use instead of one of our own. Its numbered databases are flushed. */
  redisUrl: process.env['TEST_REDIS_URL'],
  /** A PostgreSQL server to create test databases on, instead of an embedded one. */
  databaseUrl: process.env['TEST_DATABASE_URL'],
  /** Number of this vitest worker, from 1. */
  worker: Number(process.env['VITEST_POOL_ID'] ?? '1'),
};

/** The full path of a program, as the shell would find it; undefined if it is not installed. */
export function findProgram(name: string): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The little that a child process needs of our own environment: nobody's DATABASE_URL or API key gets into a test. */
export function childEnvironment(own: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(['PATH', 'HOME', 'TMPDIR', 'LANG', 'SystemRoot', 'TEMP'].map((name) => [name, process.env[name]]));
  const given = Object.entries({ ...kept, ...own }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}
