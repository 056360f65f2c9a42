import { compile, emptySnapshot, wire } from '@hub/contract';
import { hashKey } from '@hub/service';
import { eventually } from '@hub/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addProvider, addUserWithKey, type LinkFixture, linkFixture, recordingLog, TestNode } from './fixture.ts';

let fixture: LinkFixture;
const nodes: TestNode[] = [];

beforeEach(async () => {
  fixture = await linkFixture();
});

afterEach(async () => {
  for (const node of nodes.splice(0)) node.close();
  await fixture.close();
});

function connect(port: number, options?: ConstructorParameters<typeof TestNode>[1]): TestNode {
  const node = new TestNode(port, options);
  nodes.push(node);
  return node;
}

function weightOf(node: TestNode, id: number): number | undefined {
  const entity = node.get('PROVIDER', id)?.entity;
  return entity?.case === 'provider' ? entity.value.weight : undefined;
}

describe('a data plane that connects', () => {
  it('with nothing gets everything, once, and can compile it', async () => {
    const { userId, keyId, key } = await addUserWithKey(fixture);
    const providerId = await addProvider(fixture);
    await fixture.database.query(`INSERT INTO model_prices (model_name, price_data, created_at) VALUES ('m', '{"input_cost_per_token": 1}', now() - interval '1 day'), ('m', '{"input_cost_per_token": 0.000003}', now())`);
    const { link } = await fixture.start();
    const node = connect(link.grpcPort);
    await node.untilVersion(link.publisher.version);

    expect(node.messages.every((message) => message.full && message.baseVersion === '')).toBe(true);
    expect(node.get('KEY', keyId)?.entity).toMatchObject({ case: 'key', value: { userId, enabled: true } });
    const sent = node.get('KEY', keyId)?.entity;
    expect(sent?.case === 'key' && Buffer.from(sent.value.sha256).equals(hashKey(key))).toBe(true);
    expect(node.get('PROVIDER', providerId)?.entity).toMatchObject({ value: { apiKey: 'sk-upstream-secret', url: 'https://api.example.com' } });
    expect(node.get('PRICE', 'm')?.entity).toMatchObject({ value: { priceJson: '{"input_cost_per_token": 0.000003}' } });
    expect(node.get('SETTINGS', 1)?.entity).toMatchObject({ value: { timeZone: 'Asia/Shanghai', enableFormatConversion: true } });

    const { snapshot, problems } = compile(emptySnapshot, { version: node.version, full: true, upserts: node.entities.values(), deletes: [] });
    expect(problems).toEqual([]);
    expect(snapshot.keysByFingerprint.get(hashKey(key).toString('base64'))?.id).toBe(keyId);
    expect(node.version).toMatch(/^[0-9a-f-]{36}:\d+:[0-9a-f]{8}$/);
  });

  it('at the newest version is told so, and nothing more until something changes', async () => {
    const { link } = await fixture.start();
    const node = connect(link.grpcPort, { knownVersion: link.publisher.version });
    const id = await addProvider(fixture);
    await node.until('the new provider', () => node.get('PROVIDER', id) !== undefined);
    expect(node.messages).toHaveLength(2);
    expect(node.messages[0]).toMatchObject({ full: false, upserts: [], deletes: [], last: true });
    expect(node.messages[1]).toMatchObject({ full: false, last: true });
  });

  it('at a recent version gets only what changed since, deletions included', async () => {
    const { userId } = await addUserWithKey(fixture);
    const gone = await addProvider(fixture, 'gone');
    const { link } = await fixture.start();
    const before = link.publisher.version;
    await fixture.database.query('UPDATE users SET rpm_limit = 5 WHERE id = $1', [userId]);
    await link.publisher.refresh();
    await fixture.database.query('UPDATE providers SET deleted_at = now() WHERE id = $1', [gone]);
    await link.publisher.refresh();

    const node = connect(link.grpcPort, { knownVersion: before });
    await node.untilVersion(link.publisher.version);
    expect(node.messages).toHaveLength(1);
    const [message] = node.messages;
    expect(message).toMatchObject({ full: false, baseVersion: before });
    expect(message?.upserts.map((entity) => entity.entity.case)).toEqual(['user']);
    expect(message?.deletes.map(({ kind, id }) => [kind, id])).toEqual([[wire.EntityKind.PROVIDER, String(gone)]]);
  });

  it('at a version that nobody knows gets everything', async () => {
    const { link } = await fixture.start();
    const node = connect(link.grpcPort, { knownVersion: 'another-database:7:00000000' });
    await node.untilVersion(link.publisher.version);
    expect(node.messages[0]?.full).toBe(true);
  });

  it('with a wrong token is told why and gets nothing', async () => {
    const { link } = await fixture.start();
    const node = connect(link.grpcPort, { token: 'guess' });
    await node.until('the refusal', () => node.ended !== undefined);
    expect(node.ended).toMatchObject({ code: 16 });
    expect(node.messages).toEqual([]);
  });

  it('gets a big configuration in batches of at most 2,000 entities and 1 MiB', async () => {
    await fixture.database.query(`INSERT INTO users (name) SELECT 'user ' || n FROM generate_series(1, 4500) n`);
    await fixture.database.query(`INSERT INTO model_prices (model_name, price_data) SELECT 'model ' || n, jsonb_build_object('note', repeat('x', 300000)) FROM generate_series(1, 8) n`);
    const { link } = await fixture.start();
    const node = connect(link.grpcPort);
    await node.untilVersion(link.publisher.version);
    const sizes = node.messages.map((message) => message.upserts.length);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(4509);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2000);
    const withPrices = node.messages.map((message) => message.upserts.filter((entity) => entity.entity.case === 'price').length);
    expect(Math.max(...withPrices)).toBe(3);
    expect(node.messages.map((message) => message.last)).toEqual([...Array<boolean>(sizes.length - 1).fill(false), true]);
  });
});

describe('a change', () => {
  it('made by plain SQL is on the stream in well under a second', async () => {
    const id = await addProvider(fixture);
    const { link } = await fixture.start();
    const node = connect(link.grpcPort);
    await node.untilVersion(link.publisher.version);
    const began = performance.now();
    await fixture.database.query('UPDATE providers SET weight = 7 WHERE id = $1', [id]);
    await node.until('the new weight', () => weightOf(node, id) === 7);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('is still seen after the connection for notifications was killed', async () => {
    const id = await addProvider(fixture);
    const { link } = await fixture.start();
    const node = connect(link.grpcPort);
    await node.untilVersion(link.publisher.version);
    const killed = await eventually(() => 'a listening connection to kill', async () => {
      const rows = await fixture.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hub change feed'`);
      return rows.length > 0 ? rows.length : undefined;
    });
    expect(killed).toBe(1);
    await fixture.database.query('UPDATE providers SET weight = 8 WHERE id = $1', [id]);
    await node.until('the new weight', () => weightOf(node, id) === 8, 3_000);
    await eventually(() => 'the listening connection', async () => {
      const rows = await fixture.database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hub change feed' AND query LIKE 'LISTEN%'`);
      return rows[0];
    });
  });

  it('of columns that no data plane sees moves the version and sends no entity', async () => {
    const id = await addProvider(fixture);
    const { link } = await fixture.start();
    const node = connect(link.grpcPort, { knownVersion: link.publisher.version });
    const before = link.publisher.version;
    await fixture.database.query(`UPDATE providers SET website_url = 'https://example.com' WHERE id = $1`, [id]);
    await node.until('the next version', () => node.version !== before);
    expect(node.messages).toHaveLength(2);
    expect(node.messages[1]).toMatchObject({ full: false, upserts: [], deletes: [] });
  });

  it('reaches every kind of entity, and what is disabled or deleted leaves', async () => {
    const { userId, keyId } = await addUserWithKey(fixture);
    const { link } = await fixture.start();
    const node = connect(link.grpcPort);
    const { database } = fixture;
    await database.query(`INSERT INTO system_settings (billing_model_source) VALUES ('redirected')`);
    await database.query(`INSERT INTO error_rules (pattern, category) VALUES ('a', 'prompt_limit'), ('b', 'prompt_limit')`);
    await database.query(`INSERT INTO request_filters (name, scope, action, target, replacement, provider_ids) VALUES ('f', 'body', 'json_path', 'a.b', '{"x":1}', '[3, 4]')`);
    await database.query(`INSERT INTO sensitive_words (word) VALUES ('secret')`);
    await database.query(`INSERT INTO model_prices (model_name, price_data, created_at) VALUES ('m', '{"input_cost_per_token": 1}', now() - interval '1 day'), ('m', '{"input_cost_per_token": 2}', now())`);
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    expect(node.get('SETTINGS', 1)?.entity).toMatchObject({ value: { billingModelSource: 'redirected', maxRequestBodyBytes: 33554432n, timeZone: 'Asia/Shanghai' } });
    expect(node.get('REQUEST_FILTER', 1)?.entity).toMatchObject({ value: { replacementJson: '{"x": 1}', providerIds: [3, 4], matchType: '' } });
    expect(node.get('SENSITIVE_WORD', 1)?.entity).toMatchObject({ value: { word: 'secret', matchType: 'contains' } });
    expect(node.get('PRICE', 'm')?.entity).toMatchObject({ value: { priceJson: '{"input_cost_per_token": 2}' } });

    // The newest price row goes: the one before is in force again. Then that one too.
    await database.query(`DELETE FROM model_prices WHERE price_data->>'input_cost_per_token' = '2'`);
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    expect(node.get('PRICE', 'm')?.entity).toMatchObject({ value: { priceJson: '{"input_cost_per_token": 1}' } });

    await database.query('DELETE FROM model_prices');
    await database.query('UPDATE error_rules SET is_enabled = false WHERE id = 1');
    await database.query('DELETE FROM request_filters');
    await database.query('TRUNCATE sensitive_words');
    await database.query('UPDATE users SET deleted_at = now() WHERE id = $1', [userId]);
    await database.query('UPDATE keys SET is_enabled = false WHERE id = $1', [keyId]);
    await database.query('DELETE FROM system_settings');
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    expect([...node.entities.keys()].toSorted()).toEqual([`${wire.EntityKind.KEY}/${keyId}`, `${wire.EntityKind.SETTINGS}/1`, `${wire.EntityKind.ERROR_RULE}/2`].toSorted());
    expect(node.get('KEY', keyId)?.entity).toMatchObject({ value: { enabled: false } });
    expect(node.get('SETTINGS', 1)?.entity).toMatchObject({ value: { billingModelSource: '' } });
    expect(compile(emptySnapshot, { version: 'x', full: true, upserts: node.entities.values(), deletes: [] }).snapshot).toEqual({ ...link.publisher.snapshot, version: 'x' });
  });

  it('waits for a node that has not answered, and then comes with everything since', async () => {
    const id = await addProvider(fixture);
    const { link } = await fixture.start();
    const slow = connect(link.grpcPort, { answers: false });
    const quick = connect(link.grpcPort, { nodeId: 'node/1' });
    await slow.untilVersion(link.publisher.version);
    const first = slow.version;
    for (const weight of [2, 3, 4]) {
      await fixture.database.query('UPDATE providers SET weight = $1 WHERE id = $2', [weight, id]);
      await link.publisher.refresh();
    }
    await quick.untilVersion(link.publisher.version);
    expect(slow.version).toBe(first);
    slow.ack(first);
    await slow.untilVersion(link.publisher.version);
    const deltas = slow.messages.filter((message) => !message.full);
    expect(deltas).toHaveLength(1);
    expect(deltas[0]?.upserts).toHaveLength(1);
    expect(slow.get('PROVIDER', id)?.entity).toMatchObject({ value: { weight: 4 } });
  });
});

describe('a node that refuses a version', () => {
  it('is left alone until the next change, then gets everything; admins see why', async () => {
    const id = await addProvider(fixture);
    const { link } = await fixture.start();
    const good = link.publisher.version;
    let refusing = true;
    const node = connect(link.grpcPort, { knownVersion: good, refuse: (version) => (refusing && version !== good ? 'cannot compile that' : undefined) });
    await fixture.database.query('UPDATE providers SET weight = 2 WHERE id = $1', [id]);
    await node.until('the version to refuse', () => node.messages.length === 2);
    const refusal = await eventually(
      () => 'the refusal in the list of nodes',
      async () => (await link.nodes()).find((status) => status.lastRefusal !== undefined),
    );
    expect(refusal).toMatchObject({ nodeId: 'node/0', softwareVersion: '1.0.0', servingVersion: good, connected: true, lastRefusal: { reason: 'cannot compile that', version: link.publisher.version } });
    expect(node.messages).toHaveLength(2);

    refusing = false;
    await fixture.database.query('UPDATE providers SET weight = 3 WHERE id = $1', [id]);
    await node.until('the next version', () => node.messages.length > 2);
    expect(node.messages[2]?.full).toBe(true);
    const healed = await eventually(
      () => 'the node without a refusal',
      async () => (await link.nodes()).find((status) => status.servingVersion === link.publisher.version),
    );
    expect(healed.lastRefusal).toBeUndefined();
  });

  it('is counted by what it serves while it is connected', async () => {
    const { link, metrics } = await fixture.start();
    const counted = () => metrics.getSingleMetricAsString('hub_config_nodes');
    const good = connect(link.grpcPort);
    const bad = connect(link.grpcPort, { nodeId: 'node/1', refuse: () => 'no' });
    await eventually(
      () => 'one node of each kind',
      async () => (/current"} 1\n.*behind"} 0\n.*refusing"} 1/.test(await counted()) ? true : undefined),
    );
    good.close();
    bad.close();
    await eventually(
      () => 'none connected',
      async () => (/current"} 0\n.*behind"} 0\n.*refusing"} 0/.test(await counted()) ? true : undefined),
    );
  });

  it('is seen by the other control plane too, also after it has left', async () => {
    const first = await fixture.start();
    const second = await fixture.start();
    const node = connect(first.link.grpcPort, { nodeId: 'gw-7f3a0/0' });
    await node.untilVersion(first.link.publisher.version);
    const elsewhere = await eventually(
      () => 'the node in the database',
      async () => (await second.link.nodes()).find((status) => status.servingVersion === node.version),
    );
    expect(elsewhere).toMatchObject({ nodeId: 'gw-7f3a0/0', connected: false });
    expect(Date.now() - elsewhere.lastSeen).toBeLessThan(60_000);
    node.close();
    await eventually(
      () => 'the end of the stream',
      async () => ((await first.link.nodes())[0]?.connected === false ? true : undefined),
    );
  });
});

describe('rows that cannot be used', () => {
  it('are held back one by one while everything else is published', async () => {
    const kept = await addProvider(fixture, 'kept');
    const neverGood = await addProvider(fixture, 'never good', 'ftp://example.com');
    const { log, lines } = recordingLog();
    const { link } = await fixture.start({ log });
    const node = connect(link.grpcPort);
    await node.untilVersion(link.publisher.version);
    expect(node.get('PROVIDER', neverGood)).toBeUndefined();
    expect(node.get('PROVIDER', kept)).toBeDefined();
    expect(link.problems()).toMatchObject([{ kind: wire.EntityKind.PROVIDER, id: String(neverGood) }]);

    await fixture.database.query(`UPDATE providers SET model_redirects = '[1]', weight = 9 WHERE id = $1`, [kept]);
    const added = await addProvider(fixture, 'added');
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    expect(node.get('PROVIDER', kept)?.entity).toMatchObject({ value: { weight: 1 } });
    expect(node.get('PROVIDER', added)).toBeDefined();
    expect(link.problems().map((problem) => problem.id).toSorted()).toEqual([String(kept), String(neverGood)].toSorted());

    await fixture.database.query(`UPDATE providers SET model_redirects = '{"a": "b"}' WHERE id = $1`, [kept]);
    await fixture.database.query(`UPDATE providers SET url = 'https://example.com' WHERE id = $1`, [neverGood]);
    await link.publisher.refresh();
    await node.untilVersion(link.publisher.version);
    expect(node.get('PROVIDER', kept)?.entity).toMatchObject({ value: { weight: 9, modelRedirects: { a: 'b' } } });
    expect(node.get('PROVIDER', neverGood)).toBeDefined();
    expect(link.problems()).toEqual([]);
    const complaints = lines.filter((line) => line.level === 'error');
    expect(complaints.map((line) => line.fields['id'])).toEqual([String(neverGood), String(kept)]);
    expect(JSON.stringify(lines)).not.toContain('sk-upstream-secret');
  });

  it('include limits that are no numbers, sealed keys of another master key and settings that make no sense', async () => {
    const { userId } = await addUserWithKey(fixture);
    const providerId = await addProvider(fixture);
    await fixture.database.query(`UPDATE users SET limit_5h_usd = 'NaN' WHERE id = $1`, [userId]);
    await fixture.database.query(`UPDATE providers SET key = $1 WHERE id = $2`, ['sealed:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', providerId]);
    await fixture.database.query(`INSERT INTO system_settings (billing_model_source) VALUES ('free')`);
    const { link } = await fixture.start();
    expect(link.problems().map(({ kind }) => kind).toSorted()).toEqual([wire.EntityKind.USER, wire.EntityKind.PROVIDER, wire.EntityKind.SETTINGS].toSorted());
    expect(link.publisher.snapshot.settings).toMatchObject({ timeZone: 'Asia/Shanghai', billingModelSource: 'original' });
  });
});

describe('several control planes on one database', () => {
  it('publish the same versions of the same content', async () => {
    const { userId } = await addUserWithKey(fixture);
    const first = await fixture.start();
    const second = await fixture.start();
    expect(second.link.publisher.version).toBe(first.link.publisher.version);
    const moving = connect(first.link.grpcPort);
    await moving.untilVersion(first.link.publisher.version);
    await fixture.database.query('UPDATE users SET rpm_limit = 3 WHERE id = $1', [userId]);
    await Promise.all([first.link.publisher.refresh(), second.link.publisher.refresh()]);
    expect(second.link.publisher.version).toBe(first.link.publisher.version);
    expect(second.link.publisher.snapshot).toEqual(first.link.publisher.snapshot);

    const moved = connect(second.link.grpcPort, { knownVersion: moving.version });
    await addProvider(fixture);
    await moved.until('the provider', () => moved.messages.length > 0);
    expect(moved.messages[0]?.full).toBe(false);
  });

  it('do not pass for the same when they would send something else', async () => {
    const first = await fixture.start();
    const second = await fixture.start({ timeZone: 'Europe/Berlin' });
    expect(second.link.publisher.version).not.toBe(first.link.publisher.version);
    const node = connect(second.link.grpcPort, { knownVersion: first.link.publisher.version });
    await node.untilVersion(second.link.publisher.version);
    expect(node.get('SETTINGS', 1)?.entity).toMatchObject({ value: { timeZone: 'Europe/Berlin' } });
  });

  it('end their streams when they stop, so that nodes go elsewhere', async () => {
    const { link, close } = await fixture.start();
    const node = connect(link.grpcPort);
    await node.untilVersion(link.publisher.version);
    const began = performance.now();
    await close();
    await node.until('the end of the stream', () => node.ended !== undefined);
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});

describe('keys of the old service', () => {
  it('are found by hash at once, and the hash is stored', async () => {
    const [user] = await fixture.database.query(`INSERT INTO users (name) VALUES ('old') RETURNING id`);
    await fixture.database.query(`INSERT INTO keys (user_id, key, name) VALUES ($1, 'sk-plain-one', 'a'), ($1, 'sk-plain-twice', 'b'), ($1, 'sk-plain-twice', 'c')`, [user?.['id']]);
    const { link } = await fixture.start();
    expect(link.publisher.snapshot.keysByFingerprint.get(hashKey('sk-plain-one').toString('base64'))?.name).toBe('a');
    const rows = await fixture.database.query('SELECT name, key_hash FROM keys ORDER BY id');
    expect(rows.map((row) => (row['key_hash'] as Buffer | null)?.toString('hex'))).toEqual([hashKey('sk-plain-one').toString('hex'), hashKey('sk-plain-twice').toString('hex'), undefined]);

    // Written by the old service while we run, and changed by hand.
    await fixture.database.query(`INSERT INTO keys (user_id, key, name) VALUES ($1, 'sk-plain-new', 'd')`, [user?.['id']]);
    await fixture.database.query(`UPDATE keys SET key = 'sk-changed' WHERE name = 'a'`);
    await link.publisher.refresh();
    const { keysByFingerprint } = link.publisher.snapshot;
    expect(keysByFingerprint.get(hashKey('sk-plain-new').toString('base64'))?.name).toBe('d');
    expect(keysByFingerprint.get(hashKey('sk-changed').toString('base64'))?.name).toBe('a');
    expect(keysByFingerprint.get(hashKey('sk-plain-one').toString('base64'))).toBeUndefined();
  });
});
