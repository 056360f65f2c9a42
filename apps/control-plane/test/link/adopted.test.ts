import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SubjectKind } from '@hub/contract';
import { baseline, loadDump, type Log, migrate } from '@hub/postgres';
import { hashKey } from '@hub/service';
import { goldenAvailable, goldenFolder } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVault } from '../../src/vault.ts';
import { limitsClient, type LinkFixture, linkFixture, type StartedLink } from './fixture.ts';

const log: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

describe.skipIf(!goldenAvailable)('a database that v0.3.42 has filled', () => {
  let fixture: LinkFixture;
  let started: StartedLink;

  beforeAll(async () => {
    fixture = await linkFixture();
    const { url, query } = fixture.database;
    await query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    await loadDump(url, readFileSync(join(goldenFolder, 'existing-db.sql'), 'utf8'));
    await baseline(url, '20260101000000_v0_3_42', { log });
    await migrate(url, { log });
    started = await fixture.start({ vault: createVault('plain', undefined) });
  });

  afterAll(() => fixture.close());

  it('is published as it stands: every live row, nothing quarantined', async () => {
    const { publisher } = started.link;
    expect(started.link.problems()).toEqual([]);
    const [counts] = await fixture.database.query(`SELECT
      (SELECT count(*) FROM users WHERE deleted_at IS NULL) AS users, (SELECT count(*) FROM keys WHERE deleted_at IS NULL) AS keys,
      (SELECT count(*) FROM providers WHERE deleted_at IS NULL) AS providers, (SELECT count(*) FROM error_rules WHERE is_enabled) AS rules,
      (SELECT count(*) FROM request_filters WHERE is_enabled) AS filters, (SELECT count(*) FROM sensitive_words WHERE is_enabled) AS words`);
    const { snapshot } = publisher;
    expect({ users: snapshot.users.size, keys: snapshot.keys.size, providers: snapshot.providers.size, rules: snapshot.errorRules.size, filters: snapshot.requestFilters.size, words: snapshot.sensitiveWords.size }).toEqual(counts);
    expect(snapshot.users.size).toBe(9);
    expect(snapshot.prices.size).toBeGreaterThan(0);
  });

  it('finds every key by its hash', async () => {
    const keys = await fixture.database.query('SELECT id, key FROM keys WHERE deleted_at IS NULL');
    const { keysByFingerprint } = started.link.publisher.snapshot;
    for (const { id, key } of keys) expect(keysByFingerprint.get(hashKey(String(key)).toString('base64'))?.id).toBe(id);
    expect(await fixture.database.query('SELECT 1 FROM keys WHERE deleted_at IS NULL AND key_hash IS NULL')).toEqual([]);
  });

  it('knows what each key and user has spent', async () => {
    const nanos = (rows: Record<string, unknown>[]) => new Map(rows.map((row) => [row['id'], BigInt(String(row['nanos']))]));
    const counted = `m.deleted_at IS NULL AND m.blocked_by IS DISTINCT FROM 'warmup'`;
    const byKey = nanos(await fixture.database.query(`SELECT k.id, round(sum(m.cost_usd) * 1e9)::text AS nanos FROM keys k JOIN message_request m ON m.key = k.key AND ${counted} GROUP BY k.id`));
    const byUser = nanos(await fixture.database.query(`SELECT m.user_id AS id, round(sum(m.cost_usd) * 1e9)::text AS nanos FROM message_request m WHERE ${counted} GROUP BY 1`));
    expect(byKey.size).toBeGreaterThan(10);
    const client = limitsClient(started.link.grpcPort);
    for (const [kind, expected] of [[SubjectKind.KEY, byKey], [SubjectKind.USER, byUser]] as const) {
      const { answers } = await client.warm({ queries: [...expected.keys()].map((id) => ({ kind, id: Number(id) })) });
      expect(answers.map(({ totalNanos }) => totalNanos)).toEqual([...expected.values()]);
    }
    client.close();
  });
});
