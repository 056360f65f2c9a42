import { hashKey, silentLogger } from '@hub/service';
import { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { trim } from '../../src/link/housekeeping.ts';
import { createLoader, type Loader } from '../../src/link/load.ts';
import { addProvider, addUserWithKey, type LinkFixture, linkFixture, TestNode } from './fixture.ts';

let fixture: LinkFixture;
let pool: Pool;
let loader: Loader;

beforeEach(async () => {
  fixture = await linkFixture();
  pool = new Pool({ connectionString: fixture.database.url, max: 4 });
  loader = createLoader({ pool, vault: fixture.vault, timeZone: 'UTC' });
});

afterEach(async () => {
  await pool.end();
  await fixture.close();
});

describe('a load of changes', () => {
  it('reads what the log names and nothing else', async () => {
    const { userId } = await addUserWithKey(fixture);
    await addProvider(fixture);
    const before = await loader.loadAll();
    expect(before.full).toBe(true);
    expect(await loader.loadChanged(before)).toMatchObject({ full: false, upserts: [], deletes: [], revision: before.revision });
    await fixture.database.query('UPDATE users SET name = $1 WHERE id = $2', ['bob', userId]);
    const changed = await loader.loadChanged(before);
    expect(changed.upserts.map(({ entity }) => entity)).toMatchObject([{ case: 'user', value: { name: 'bob' } }]);
    expect(changed.revision).toBeGreaterThan(before.revision);
  });

  it('falls back to everything where the log cannot tell', async () => {
    await addProvider(fixture);
    await addProvider(fixture, 'other');
    const now = await loader.loadAll();
    expect((await loader.loadChanged({ ...now, instanceId: 'another' })).full).toBe(true);
    expect((await loader.loadChanged({ ...now, revision: now.revision + 10n })).full).toBe(true);
    await addProvider(fixture, 'third');
    await fixture.database.query('DELETE FROM hub_config_change WHERE revision <= $1', [String(now.revision)]);
    expect((await loader.loadChanged(now)).full).toBe(true);
  });

  it('never misses a change that commits later with a lower number', async () => {
    const first = await pool.connect();
    const second = await pool.connect();
    const a = await addProvider(fixture, 'a');
    const b = await addProvider(fixture, 'b');
    const before = await loader.loadAll();
    await first.query('BEGIN');
    await first.query('UPDATE providers SET weight = 2 WHERE id = $1', [a]);
    const committed = second.query('UPDATE providers SET weight = 3 WHERE id = $1', [b]);
    const between = await loader.loadChanged(before);
    await first.query('COMMIT');
    await committed;
    first.release();
    second.release();
    const after = await loader.loadChanged(between);
    const seen = [...between.upserts, ...after.upserts].map(({ entity }) => (entity.case === 'provider' ? entity.value.weight : 0));
    expect(seen.toSorted()).toEqual([2, 3]);
  });
});

describe('a database that was restored from a backup', () => {
  it('is published as it is now', async () => {
    const id = await addProvider(fixture);
    const { link } = await fixture.start();
    const node = new TestNode(link.grpcPort);
    await node.untilVersion(link.publisher.version);
    await fixture.database.query('UPDATE providers SET weight = 5 WHERE id = $1', [id]);
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    await fixture.database.query('ALTER TABLE providers DISABLE TRIGGER USER');
    await fixture.database.query('UPDATE providers SET weight = 1 WHERE id = $1', [id]);
    await fixture.database.query('DELETE FROM hub_config_change WHERE revision = (SELECT max(revision) FROM hub_config_change)');
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    expect(node.get('PROVIDER', id)?.entity).toMatchObject({ value: { weight: 1 } });
    node.close();
  });
});

describe('trimming', () => {
  it('keeps seven days and in any case the last 10,000 entries', async () => {
    await fixture.database.query(`INSERT INTO hub_config_change (entity, entity_id, at) SELECT 'user', n, now() - interval '8 days' FROM generate_series(1, 9000) n`);
    expect(await trim(pool)).toBe(0);
    await fixture.database.query(`INSERT INTO hub_config_change (entity, entity_id, at) SELECT 'user', n, now() - interval '6 days' FROM generate_series(1, 6000) n`);
    expect(await trim(pool)).toBe(5000);
    await fixture.database.query(`INSERT INTO hub_config_change (entity, entity_id) SELECT 'user', n FROM generate_series(1, 9000) n`);
    expect(await trim(pool)).toBe(4000);
    expect(await fixture.database.query('SELECT count(*) AS rows FROM hub_config_change')).toEqual([{ rows: 15_000 }]);
    expect(await trim(pool)).toBe(0);
  });
});

describe('100,000 keys', () => {
  it('load, and one change among them is on a node at once', { timeout: 180_000 }, async () => {
    const { userId } = await addUserWithKey(fixture);
    // The triggers are not what is measured.
    await fixture.database.query('ALTER TABLE keys DISABLE TRIGGER USER');
    await fixture.database.query(
      `INSERT INTO keys (user_id, key, key_hash, name, limit_daily_usd) SELECT $1, 'sk-' || n, sha256(('sk-' || n)::bytea), 'key ' || n, 5 FROM generate_series(1, 100000) n`,
      [userId],
    );
    await fixture.database.query('ALTER TABLE keys ENABLE TRIGGER USER');
    const began = performance.now();
    const { link } = await fixture.start({ log: silentLogger });
    const loaded = performance.now();
    expect(link.publisher.snapshot.keysByFingerprint.get(hashKey('sk-99999').toString('base64'))?.name).toBe('key 99999');
    const node = new TestNode(link.grpcPort);
    await node.until('the whole configuration', () => node.version !== '', 60_000);
    const sent = performance.now();
    await fixture.database.query(`UPDATE keys SET is_enabled = false WHERE name = 'key 500'`);
    await node.until('the change', () => node.version === link.publisher.version && node.messages.some((message) => !message.full), 10_000);
    const changed = performance.now();
    console.log(`100,000 keys: loaded in ${Math.round(loaded - began)} ms, sent in ${Math.round(sent - loaded)} ms, one change in ${Math.round(changed - sent)} ms`);
    node.close();
  });
});
