import { randomUUID } from 'node:crypto';
import { type NodeEvent, NodeEventSchema, create } from '@hub/contract';
import { eventually } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LinkEvent } from '../../src/link/index.ts';
import { addUserWithKey, type LinkFixture, linkFixture, recordingLog, type StartedLink, TestReporter, usageRecord } from './fixture.ts';

let fixture: LinkFixture;
let first: StartedLink;
let second: StartedLink;
let caller: { userId: number; keyId: number; key: string };
const { log, lines } = recordingLog();

beforeAll(async () => {
  fixture = await linkFixture();
  caller = await addUserWithKey(fixture);
  first = await fixture.start({ log });
  second = await fixture.start();
});

afterAll(async () => {
  await fixture.close();
});

beforeEach(async () => {
  await fixture.database.query('TRUNCATE message_request, hub_usage_rollup, hub_audit_log');
});

async function withReporter<T>(link: StartedLink, use: (reporter: TestReporter) => Promise<T>): Promise<T> {
  const reporter = new TestReporter(link.link.grpcPort);
  try {
    return await use(reporter);
  } finally {
    reporter.close();
  }
}

const rollupColumns = `count(*) AS requests, count(*) FILTER (WHERE status_code >= 400 OR status_code IS NULL) AS errors, count(*) FILTER (WHERE error_message IS NULL) AS success,
  coalesce(sum(cost_usd), 0) AS cost, coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens,
  coalesce(sum(cache_creation_input_tokens), 0) AS cache_creation_input_tokens, coalesce(sum(cache_creation_5m_input_tokens), 0) AS cache_creation_5m_input_tokens,
  coalesce(sum(cache_creation_1h_input_tokens), 0) AS cache_creation_1h_input_tokens, coalesce(sum(cache_read_input_tokens), 0) AS cache_read_input_tokens,
  coalesce(sum(duration_ms), 0) AS duration_ms_sum, count(duration_ms) AS duration_count`;

/** The rollups as stored, and as plain SQL makes them of the rows. */
async function rollups() {
  const stored = await fixture.database.query('SELECT * FROM hub_usage_rollup ORDER BY bucket, user_id, key_id, provider_id, model, original_model');
  const expected = await fixture.database.query(
    `SELECT date_bin('15 minutes', created_at, '2000-01-01Z') AS bucket, user_id, key_id, provider_id, coalesce(model, '') AS model, coalesce(original_model, '') AS original_model, ${rollupColumns}
     FROM message_request WHERE blocked_by IS DISTINCT FROM 'warmup' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6`,
  );
  const numeric = (rows: Record<string, unknown>[]) => rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value])));
  return { stored: numeric(stored), expected: numeric(expected) };
}

describe('a record', () => {
  it('becomes the row that v0.3.42 would have written', async () => {
    const record = usageRecord({
      ...caller,
      providerId: 4,
      model: 'claude-opus-4-1',
      sessionId: 'sess_1',
      requestSequence: 3,
      ttfbMs: 12,
      usage: { input: 1n, output: 2n, cacheRead: 3n, cacheWrite5m: 4n, cacheWrite1h: 5n, cacheWriteUnsplit: 6n },
      costUsd: '0.023394300000001',
      costMultiplier: '1.2500',
      providerChainJson: '[{"id": 4, "name": "main"}]',
      userAgent: 'claude-cli/2.0.31',
      messagesCount: 7,
      cacheTtlApplied: 'mixed',
      context1mApplied: true,
      specialSettingsJson: '[{"type":"x"}]',
      configVersion: 'v:1:aaaaaaaa',
      clientDialect: 'claude',
    });
    await withReporter(first, (reporter) => reporter.send([record]));
    const [row] = await fixture.database.query('SELECT * FROM message_request');
    expect(row).toMatchObject({
      record_id: record.id, provider_id: 4, user_id: caller.userId, key_id: caller.keyId, model: 'claude-opus-4-1', original_model: 'claude-sonnet-4-5',
      key: fixture.vault.keyColumn({ key: fixture.vault.storeKey(caller.key).key, keyHash: fixture.vault.storeKey(caller.key).keyHash }),
      duration_ms: 100, ttfb_ms: 12, status_code: 200, cost_usd: '0.023394300000001', cost_multiplier: '1.2500', session_id: 'sess_1', request_sequence: 3, endpoint: '/v1/messages',
      input_tokens: 1, output_tokens: 2, cache_read_input_tokens: 3, cache_creation_input_tokens: 15, cache_creation_5m_input_tokens: 4, cache_creation_1h_input_tokens: 5,
      provider_chain: [{ id: 4, name: 'main' }], special_settings: [{ type: 'x' }], user_agent: 'claude-cli/2.0.31', messages_count: 7, cache_ttl_applied: 'mixed', context_1m_applied: true,
      usage_estimated: false, config_version: 'v:1:aaaaaaaa', client_dialect: 'claude', error_message: null, error_cause: null, blocked_by: null, blocked_reason: null, api_type: null, deleted_at: null,
    });
    expect(row?.['created_at']).toEqual(new Date(Number(record.startedAtMs)));
  });

  it('keeps "unknown" and zero apart, and parts that nobody reported empty', async () => {
    const unknown = usageRecord({ ...caller, model: 'unknown' });
    delete unknown.costUsd;
    delete unknown.usage;
    const free = usageRecord({ ...caller, model: 'free', costUsd: '0', usage: { input: 5n, cacheWriteUnsplit: 2n } });
    const refused = usageRecord({ ...caller, model: '', originalModel: '', blockedBy: 'sensitive_word', blockedReasonJson: '{"word":"x"}', costUsd: '0', durationMs: 0, statusCode: 400, providerId: 0, endpoint: '', requestSequence: 0 });
    await withReporter(first, (reporter) => reporter.send([unknown, free, refused]));
    const rows = await fixture.database.query('SELECT * FROM message_request ORDER BY status_code, model');
    expect(rows[0]).toMatchObject({ model: 'free', cost_usd: '0.000000000000000', cache_creation_input_tokens: 2, cache_creation_5m_input_tokens: null, cache_creation_1h_input_tokens: null });
    expect(rows[1]).toMatchObject({ model: 'unknown', cost_usd: null, input_tokens: null, cache_creation_input_tokens: null });
    expect(rows[2]).toMatchObject({ model: null, duration_ms: null, messages_count: null, request_sequence: 1, endpoint: null, session_id: null, provider_id: 0, blocked_reason: '{"word":"x"}' });
  });

  it('that does not fit is cut and cleaned, never lost', async () => {
    const long = 'x'.repeat(127);
    const record = usageRecord({
      ...caller,
      model: `${long}😀`,
      originalModel: 'a\0b',
      sessionId: 's'.repeat(256),
      userAgent: 'u'.repeat(10_000),
      endpoint: '/'.repeat(300),
      errorMessage: 'broken\0text',
      providerChainJson: '[{"name":"nul \\u0000 half \\ud83d pair","b":1e400}]',
      specialSettingsJson: '{not json',
      configVersion: 'v'.repeat(500),
      clientDialect: 'a-very-long-dialect',
      costUsd: '1e9',
      usage: { input: 10n ** 17n, output: -5n },
      durationMs: -1,
    });
    const response = await withReporter(first, (reporter) => reporter.send([record]));
    expect(response.rejected).toEqual([]);
    const [row] = await fixture.database.query('SELECT * FROM message_request');
    expect(row).toMatchObject({
      model: long, original_model: 'ab', session_id: 's'.repeat(64), user_agent: 'u'.repeat(512), endpoint: '/'.repeat(256), error_message: 'brokentext',
      provider_chain: [{ name: 'nul  half \ufffd pair', b: null }], special_settings: null, config_version: 'v'.repeat(100), client_dialect: 'a-very-lon',
      cost_usd: '999999.999999999999999', input_tokens: 2_147_483_647, output_tokens: 0, duration_ms: 0,
    });
  });

  it('that makes no sense is refused by name while its neighbours are stored', async () => {
    const good = [usageRecord(caller), usageRecord(caller)] as const;
    const bad = {
      noId: usageRecord({ ...caller, id: '' }),
      strangeId: usageRecord({ ...caller, id: 'not a uuid' }),
      noMoment: usageRecord({ ...caller, startedAtMs: 10n ** 17n }),
      noCost: usageRecord({ ...caller, costUsd: 'NaN' }),
      nobody: usageRecord({ ...caller, userId: 0 }),
      // Only the database can tell: jsonb gives up on this depth.
      tooDeep: usageRecord({ ...caller, providerChainJson: '['.repeat(30_000) + ']'.repeat(30_000) }),
    };
    const response = await withReporter(first, (reporter) => reporter.send([bad.noId, good[0], ...Object.values(bad).slice(1), good[1]]));
    expect(response.rejected.map(({ id }) => id).toSorted()).toEqual(Object.values(bad).map(({ id }) => id).toSorted());
    expect(response.rejected.every(({ reason }) => reason.length > 0)).toBe(true);
    const rows = await fixture.database.query('SELECT record_id FROM message_request');
    expect(rows.map((row) => row['record_id']).toSorted()).toEqual(good.map(({ id }) => id).toSorted());
    const { stored, expected } = await rollups();
    expect(stored).toEqual(expected);
    expect(await first.metrics.getSingleMetricAsString('hub_usage_records_total')).toMatch(/result="refused"\} 6/);
  });

  it('of a warm-up is a row but no spending', async () => {
    await withReporter(first, (reporter) => reporter.send([usageRecord({ ...caller, blockedBy: 'warmup', providerId: 0, costUsd: '0' })]));
    expect(await fixture.database.query('SELECT blocked_by FROM message_request')).toEqual([{ blocked_by: 'warmup' }]);
    expect((await rollups()).stored).toEqual([]);
  });
});

describe('delivery', () => {
  it('of the same 10,000 records over two control planes at once stores each once, and the rollups agree with plain SQL', async () => {
    const start = Date.UTC(2026, 10, 24, 9, 50);
    const records = Array.from({ length: 10_000 }, (_, index) =>
      usageRecord({
        ...caller,
        startedAtMs: BigInt(start + index * 400),
        providerId: 1 + (index % 3),
        model: index % 7 === 0 ? '' : `model-${index % 4}`,
        statusCode: index % 11 === 0 ? 502 : 200,
        errorMessage: index % 11 === 0 ? 'failed' : '',
        costUsd: `0.00000${index % 10}000000001`,
        blockedBy: index % 50 === 0 ? 'warmup' : '',
        usage: { input: BigInt(index), output: 3n, cacheRead: 1n, cacheWrite5m: BigInt(index % 2), cacheWrite1h: 2n },
      }),
    );
    const batches = (size: number, of = records) => Array.from({ length: Math.ceil(of.length / size) }, (_, index) => of.slice(index * size, (index + 1) * size));
    const began = performance.now();
    await Promise.all([
      withReporter(first, (reporter) => Promise.all(batches(500).map((batch) => reporter.send(batch)))),
      withReporter(second, (reporter) => Promise.all(batches(400, records.toReversed()).map((batch) => reporter.send(batch)))),
    ]);
    const seconds = (performance.now() - began) / 1000;
    const [count] = await fixture.database.query('SELECT count(*) AS rows, count(DISTINCT record_id) AS ids FROM message_request');
    expect(count).toEqual({ rows: 10_000, ids: 10_000 });
    const { stored, expected } = await rollups();
    expect(stored.length).toBeGreaterThan(20);
    expect(stored).toEqual(expected);
    console.log(`20,000 records (10,000 twice) in ${seconds.toFixed(2)} s: ${Math.round(20_000 / seconds)} records/s`);
  });

  it('is answered in order, batch by batch', async () => {
    const answers: bigint[] = [];
    await withReporter(first, (reporter) => Promise.all([1, 2, 3, 4].map((size) => reporter.send(Array.from({ length: size }, () => usageRecord(caller))).then(({ batch }) => answers.push(batch)))));
    expect(answers).toEqual([1n, 2n, 3n, 4n]);
  });

  it('that the database could not take is not answered: the stream ends with a reason, and again works later', async () => {
    const record = usageRecord(caller);
    await fixture.database.query('ALTER TABLE hub_usage_rollup RENAME TO hub_usage_rollup_away');
    try {
      const failure = await withReporter(first, (reporter) => reporter.send([record]).catch((error: unknown) => error));
      expect(failure).toMatchObject({ code: 14 });
      expect(String(failure)).not.toMatch(/hub_usage_rollup|INSERT/);
      expect(await fixture.database.query('SELECT 1 FROM message_request')).toEqual([]);
    } finally {
      await fixture.database.query('ALTER TABLE hub_usage_rollup_away RENAME TO hub_usage_rollup');
    }
    await withReporter(first, (reporter) => reporter.send([record]));
    expect(await fixture.database.query('SELECT record_id FROM message_request')).toEqual([{ record_id: record.id }]);
  });

  it('in hand when the control plane stops is finished and answered', async () => {
    const { link, close } = await fixture.start();
    const reporter = new TestReporter(link.grpcPort);
    const blocker = await first.pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE message_request');
    const answered = reporter.send(Array.from({ length: 300 }, () => usageRecord(caller)));
    await eventually(
      () => 'the batch to wait for the lock',
      async () => (await fixture.database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))[0],
    );
    const closed = close();
    await blocker.query('COMMIT');
    blocker.release();
    expect(await answered).toMatchObject({ rejected: [] });
    await closed;
    expect(await fixture.database.query('SELECT count(*) AS rows FROM message_request')).toEqual([{ rows: 300 }]);
    reporter.close();
  });
});

describe('an event', () => {
  const event = (content: NodeEvent['event'], id: string = randomUUID()): NodeEvent => create(NodeEventSchema, { id, atMs: 1_000n, event: content });

  it('of an expired user switches the user off once, with an audit row, and is published', async () => {
    const { userId } = await addUserWithKey(fixture);
    await fixture.database.query(`UPDATE users SET expires_at = now() - interval '1 minute' WHERE id = $1`, [userId]);
    const expired = { case: 'userExpired' as const, value: { $typeName: 'hub.v1.UserExpired' as const, userId } };
    await Promise.all([
      withReporter(first, (reporter) => reporter.send([], [event(expired), event(expired)])),
      withReporter(second, (reporter) => reporter.send([], [event(expired)])),
    ]);
    expect(await fixture.database.query('SELECT is_enabled FROM users WHERE id = $1', [userId])).toEqual([{ is_enabled: false }]);
    const audit = await fixture.database.query('SELECT action, entity, entity_id, before, after FROM hub_audit_log');
    expect(audit).toEqual([{ action: 'users.expire', entity: 'user', entity_id: userId, before: { isEnabled: true }, after: { isEnabled: false } }]);
    await first.link.publisher.refresh();
    expect(first.link.publisher.snapshot.users.get(userId)?.enabled).toBe(false);
  });

  it('of a user who was renewed meanwhile changes nothing', async () => {
    const { userId } = await addUserWithKey(fixture);
    await fixture.database.query(`UPDATE users SET expires_at = now() + interval '1 day' WHERE id = $1`, [userId]);
    const expired = { case: 'userExpired' as const, value: { $typeName: 'hub.v1.UserExpired' as const, userId } };
    await withReporter(first, (reporter) => reporter.send([], [event(expired)]));
    expect(await fixture.database.query('SELECT is_enabled FROM users WHERE id = $1', [userId])).toEqual([{ is_enabled: true }]);
    expect(await fixture.database.query('SELECT 1 FROM hub_audit_log')).toEqual([]);
  });

  it('of a breaker reaches the listeners once, however often it is sent', async () => {
    const heard: LinkEvent[] = [];
    const stop = first.link.onEvent((heardEvent) => heard.push(heardEvent));
    const opened = event({ case: 'breakerOpened', value: { $typeName: 'hub.v1.BreakerOpened', providerId: 3, providerName: 'main', failureCount: 5, retryAtMs: 9_000n, lastError: 'refused' } });
    await withReporter(first, async (reporter) => {
      await reporter.send([], [opened]);
      await reporter.send([], [opened]);
    });
    stop();
    expect(heard).toEqual([{ type: 'breaker-opened', id: opened.id, at: 1_000, nodeId: 'node/0', providerId: 3, providerName: 'main', failureCount: 5, retryAt: 9_000, lastError: 'refused' }]);
  });
});

describe('logs', () => {
  it('hold no key', () => {
    expect(lines.length).toBeGreaterThan(0);
    expect(JSON.stringify(lines, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(caller.key);
  });
});
