import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { baseline } from '../src/baseline.ts';
import { withDatabase } from '../src/connection.ts';
import { migrate } from '../src/migrate.ts';
import { readMigrations } from '../src/migration-history.ts';
import { templateDatabase } from '../src/template-database.ts';
import { cleanup, connect, recordingLog, run, temporaryFolder, testServer } from './server.ts';

const repositoryMigrations = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url));
const names = ['20260101000000_v0_3_42', '20261101000000_hub'];
const undo = cleanup();

/** A copy of the migrations that can be added to and edited. */
function copyOfMigrations(): string {
  const { path, remove } = temporaryFolder();
  undo(remove);
  cpSync(repositoryMigrations, path, { recursive: true });
  return path;
}

function addMigration(folder: string, name: string, sql: string): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'migration.sql'), sql);
}

describe('on PostgreSQL', () => {
  const server = testServer();
  let count = 0;

  async function emptyDatabase(): Promise<string> {
    const name = `empty_${++count}`;
    await run(server.url, `CREATE DATABASE ${name}`);
    return withDatabase(server.url, name);
  }

  it('applies everything once, in the form in which Prisma keeps its history', async () => {
    const url = await emptyDatabase();
    const log = recordingLog();
    expect(await migrate(url, { log })).toEqual({ applied: names });
    expect(await migrate(url, { log })).toEqual({ applied: [] });
    const history = await run<Record<string, unknown>>(url, 'SELECT * FROM _prisma_migrations ORDER BY migration_name');
    const migrations = await readMigrations();
    expect(history.map((row) => [row['migration_name'], row['checksum'], row['applied_steps_count'], row['logs'], row['rolled_back_at']])).toEqual(
      migrations.map(({ name, checksum }) => [name, checksum, 1, null, null]),
    );
    for (const row of history) expect(row['finished_at']).toBeInstanceOf(Date);
    expect(await run(url, 'SELECT count(*)::int AS rows FROM hub_meta')).toEqual([{ rows: 1 }]);
  });

  it('lets several processes migrate at the same time', async () => {
    const url = await emptyDatabase();
    const logs = Array.from({ length: 4 }, recordingLog);
    const results = await Promise.all(logs.map((log) => migrate(url, { log })));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(names);
    expect(logs.flatMap(({ lines }) => lines).join('\n')).toContain('waiting for another process');
  });

  it('adds its columns without rewriting a table', async () => {
    const url = await emptyDatabase();
    const folder = copyOfMigrations();
    await run(url, (await readMigrations(folder))[0]?.sql ?? '');
    await baseline(url, names[0] ?? '', { log: recordingLog(), migrationsDir: folder });
    await run(url, `INSERT INTO users (name, limit_5h_usd) VALUES ('someone', 10)`);
    const fileNodes = `SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
      AND relname NOT LIKE 'hub%' ORDER BY relname`;
    const before = await run(url, fileNodes);
    expect(await migrate(url, { log: recordingLog() })).toEqual({ applied: [names[1]] });
    expect(await run(url, fileNodes)).toEqual(before);
    expect(before).toHaveLength(13);
    await run(url, 'UPDATE users SET limit_monthly_usd = 0.0005');
    expect(await run(url, 'SELECT limit_5h_usd, limit_monthly_usd FROM users')).toEqual([{ limit_5h_usd: '10.00', limit_monthly_usd: '0.0005' }]);
  });

  it('refuses a database that a newer version has migrated', async () => {
    const { url } = await templateDatabase(server.url);
    const newer = copyOfMigrations();
    addMigration(newer, '20991231000000_later', 'CREATE TABLE later ()');
    expect(await migrate(url, { log: recordingLog(), migrationsDir: newer })).toEqual({ applied: ['20991231000000_later'] });
    await expect(migrate(url, { log: recordingLog() })).rejects.toMatchObject({
      name: 'DatabaseNewerError',
      unknownMigrations: ['20991231000000_later'],
    });
  });

  it('refuses a migration that was edited after it had been applied', async () => {
    const { url } = await templateDatabase(server.url);
    const edited = copyOfMigrations();
    writeFileSync(join(edited, names[1] ?? '', 'migration.sql'), 'SELECT 1');
    await expect(migrate(url, { log: recordingLog(), migrationsDir: edited })).rejects.toThrow(`${names[1]} was edited`);
  });

  it('leaves nothing of a migration that fails, and names the line', async () => {
    const { url } = await templateDatabase(server.url);
    const broken = copyOfMigrations();
    addMigration(broken, '20991231000000_broken', 'CREATE TABLE half ();\n\nSELECT nonsense;\n');
    await expect(migrate(url, { log: recordingLog(), migrationsDir: broken })).rejects.toThrow(
      /^migration 20991231000000_broken failed \(line 3\): column "nonsense" does not exist$/,
    );
    expect(await run(url, `SELECT to_regclass('half') AS half`)).toEqual([{ half: null }]);
    expect(await migrate(url, { log: recordingLog() })).toEqual({ applied: [] });
  });

  it('refuses a database in which Prisma has left a failed migration', async () => {
    const { url } = await templateDatabase(server.url);
    await run(url, `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '${names[1]}'`);
    await expect(migrate(url, { log: recordingLog() })).rejects.toThrow(`${names[1]} failed half-way`);
    await run(url, `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '${names[1]}'`);
    await expect(migrate(url, { log: recordingLog() })).rejects.toThrow('already exists');
  });

  it('waits for a table only so long', async () => {
    const { url } = await templateDatabase(server.url);
    const folder = copyOfMigrations();
    addMigration(folder, '20991231000000_busy', `SET LOCAL lock_timeout = 1; ALTER TABLE users ADD COLUMN more int;`);
    const other = await connect(url);
    undo(() => other.end());
    await other.query('BEGIN; LOCK TABLE users IN ACCESS SHARE MODE');
    await expect(migrate(url, { log: recordingLog(), migrationsDir: folder })).rejects.toThrow('others are using it; try again');
  });

  it('takes an older installation over only after it was recorded as such', async () => {
    const url = await emptyDatabase();
    await run(url, (await readMigrations())[0]?.sql ?? '');
    await expect(migrate(url, { log: recordingLog() })).rejects.toMatchObject({ name: 'AdoptionNeededError', message: expect.stringContaining('hub adopt') });
    expect(await run(url, `SELECT to_regclass('_prisma_migrations') AS history`)).toEqual([{ history: null }]);

    await run(url, 'ALTER TABLE providers DROP COLUMN rpd; ALTER TABLE keys ALTER COLUMN name TYPE varchar(10); DROP INDEX idx_users_deleted_at');
    await expect(baseline(url, names[0] ?? '', { log: recordingLog() })).rejects.toMatchObject({
      name: 'BaselineMismatchError',
      missing: [
        'column keys.name character varying not null',
        'column providers.rpd integer default 0',
        'index CREATE INDEX idx_users_deleted_at ON users USING btree (deleted_at)',
      ],
    });

    await run(url, 'ALTER TABLE providers ADD COLUMN rpd int DEFAULT 0; ALTER TABLE keys ALTER COLUMN name TYPE varchar; CREATE INDEX idx_users_deleted_at ON users (deleted_at)');
    await run(url, 'ALTER TABLE users ADD COLUMN of_our_own json');
    for (let time = 0; time < 2; time++) await baseline(url, names[0] ?? '', { log: recordingLog() });
    expect(await migrate(url, { log: recordingLog() })).toEqual({ applied: [names[1]] });
    expect(await run(url, `SELECT count(*)::int AS schemas FROM pg_namespace WHERE nspname LIKE 'hub_probe%'`)).toEqual([{ schemas: 0 }]);
    await run(url, `INSERT INTO users (name, of_our_own) VALUES ('one', '{}'); UPDATE users SET of_our_own = '[]'`);
  });

  it('makes independent databases from one template, also when several ask for the first', async () => {
    const databases = await Promise.all(Array.from({ length: 3 }, () => templateDatabase(server.url)));
    const [first, second] = databases;
    if (first === undefined || second === undefined) throw new Error('no databases');
    await run(first.url, `INSERT INTO users (name) VALUES ('only in the first')`);
    expect(await run(second.url, 'SELECT count(*)::int AS users FROM users')).toEqual([{ users: 0 }]);
    const lingering = await connect(first.url);
    for (const database of databases) await database.drop();
    await expect(lingering.query('SELECT 1')).rejects.toThrow();
    await expect(connect(first.url)).rejects.toMatchObject({ code: '3D000' });
  });
});

describe('on PGlite', () => {
  const server = testServer('pglite');

  it('applies everything, by several connections at once, and again', async () => {
    const results = await Promise.all([1, 2, 3].map(() => migrate(server.url, { log: recordingLog() })));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual(names);
    expect(await migrate(server.url, { log: recordingLog() })).toEqual({ applied: [] });
    await run(server.url, `INSERT INTO users (name) VALUES ('someone')`);
    expect(await run(server.url, 'SELECT entity, entity_id FROM hub_config_change')).toEqual([{ entity: 'user', entity_id: 1 }]);
  });
});
