import { appendFileSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ScriptedUpstream, stallAfter, startUpstream } from '@hub/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '@hub/service';
import { openJournal } from '../src/ledger/journal.ts';
import { claimSlot } from '../src/ledger/slots.ts';
import { key, messages, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, user } from './boot.ts';

describe('journal', () => {
  const interrupted = (begun: Buffer) => ({ id: begun.toString().split(':')[0] ?? '', record: Buffer.from(`${begun.toString()}!`) });
  const open = (directory: string, segmentBytes = 200) => openJournal({ directory, log: silentLogger, segmentBytes, interrupted });
  const fresh = () => mkdtempSync(join(tmpdir(), 'hub-journal-'));
  const texts = (records: readonly Buffer[]) => records.map((record) => record.toString());

  it('gives back ended records in order, over files, and deletes what was delivered', async () => {
    const directory = fresh();
    const journal = open(directory);
    for (let i = 0; i < 40; i++) {
      await journal.begin(`r${i}`, Buffer.from(`r${i}:begun`));
      await journal.end(`r${i}`, Buffer.from(`r${i}:ended`));
    }
    expect(readdirSync(directory).length).toBeGreaterThan(3);
    const seen: string[] = [];
    for (;;) {
      const batch = journal.read(7);
      journal.delivered(batch);
      if (batch.records.length === 0) break;
      seen.push(...texts(batch.records));
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => `r${i}:ended`));
    expect(journal.stats).toMatchObject({ backlog: 0, open: 0 });
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it('a batch that is not delivered is read again', async () => {
    const journal = open(fresh());
    await journal.end('a', Buffer.from('a:ended'));
    expect(texts(journal.read(10).records)).toEqual(['a:ended']);
    expect(texts(journal.read(10).records)).toEqual(['a:ended']);
  });

  it('after a kill: what was ended is there, what was running ends as interrupted, once', async () => {
    const directory = fresh();
    const before = open(directory, 10_000);
    await before.begin('a', Buffer.from('a:begun'));
    await before.begin('b', Buffer.from('b:begun'));
    await before.end('a', Buffer.from('a:ended'));
    const after = open(directory, 10_000);
    expect(after.stats.backlog).toBe(2);
    expect(texts(after.read(10).records)).toEqual(['a:ended', 'b:begun!']);
    const again = open(directory, 10_000);
    expect(texts(again.read(10).records)).toEqual(['a:ended', 'b:begun!']);
  });

  it('a frame cut by the kill at any byte loses nothing that was whole', async () => {
    const source = fresh();
    const journal = open(source, 10_000);
    await journal.begin('a', Buffer.from('a:begun'));
    await journal.end('a', Buffer.from('a:ended'));
    const file = readdirSync(source)[0] ?? '';
    const bytes = readFileSync(join(source, file));
    for (let length = 0; length <= bytes.length; length++) {
      const directory = fresh();
      writeFileSync(join(directory, file), bytes.subarray(0, length));
      const reopened = open(directory, 10_000);
      const records = texts(reopened.read(10).records);
      const beginFrame = 9 + 'a:begun'.length;
      expect(records).toEqual(length === bytes.length ? ['a:ended'] : length >= beginFrame ? ['a:begun!'] : []);
      reopened.close();
    }
  });

  it('damage ends its file and is counted; later files are read', async () => {
    const directory = fresh();
    const journal = open(directory, 30);
    await journal.end('a', Buffer.from('a:ended-and-long-enough-to-rotate'));
    await journal.end('b', Buffer.from('b:ended'));
    const [first] = readdirSync(directory).sort();
    appendFileSync(join(directory, first ?? ''), Buffer.from([0, 0, 0, 1, 9, 9, 9, 9, 2, 65]));
    const after = open(directory, 10_000);
    expect(texts(after.read(10).records)).toEqual(['a:ended-and-long-enough-to-rotate', 'b:ended']);
    expect(after.stats.damaged).toBeGreaterThan(0);
  });
});

describe('slots', () => {
  it('a dead owner’s files move to who comes next; a living owner keeps its slot', () => {
    const root = mkdtempSync(join(tmpdir(), 'hub-slots-'));
    const mine = claimSlot(root, silentLogger);
    writeFileSync(join(mine.directory, 'owner'), '1 something-else');
    const next = claimSlot(root, silentLogger);
    expect(next.index).toBe(mine.index);
    // A slot whose owner is alive (process 1, with its real start mark) is left alone.
    const mark = readFileSync('/proc/1/stat', 'utf8').split(') ')[1]?.split(' ')[19];
    writeFileSync(join(next.directory, 'owner'), `1 ${mark}`);
    writeFileSync(join(next.directory, '0000000001.log'), '');
    const other = claimSlot(root, silentLogger);
    expect(other.index).toBe(1);
    writeFileSync(join(next.directory, 'owner'), '999999999 gone');
    const third = claimSlot(root, silentLogger);
    expect(readdirSync(third.directory)).toContain('0000000001.log');
  });
});

describe('one admitted request, exactly one record', () => {
  let upstream: ScriptedUpstream;
  let controlPlane: TestControlPlane;
  const hubs: TestGateway[] = [];

  beforeAll(async () => {
    upstream = await startUpstream();
    controlPlane = await startControlPlane();
    controlPlane.publish([settings(), user(), key(), provider({ url: upstream.url })]);
  });
  afterEach(async () => {
    controlPlane.reportMode = 'ack';
    for (const hub of hubs.splice(0)) await hub.stop();
    controlPlane.records.length = 0;
  });
  afterAll(async () => {
    await controlPlane.stop();
    await upstream.close();
  });

  it('when the control plane swallows and refuses reports for a while', async () => {
    const hub = await startGateway(controlPlane);
    hubs.push(hub);
    controlPlane.reportMode = 'fail';
    await Promise.all(Array.from({ length: 30 }, () => messages(hub.url).then((response) => response.text())));
    expect(hub.gateway.ledger.journal.stats.backlog).toBe(30);
    controlPlane.reportMode = 'ack';
    const records = await controlPlane.waitForRecords(30);
    expect(new Set(records.map((record) => record.id)).size).toBe(30);
    await hub.gateway.shipper.flush(2000);
    expect(hub.gateway.ledger.journal.stats.backlog).toBe(0);
  });

  // C15 in docs/complaints.md.
  it('when the process dies with requests finished but not reported and one still running', async () => {
    controlPlane.reportMode = 'silent';
    const first = await startGateway(controlPlane);
    const done = await Promise.all(Array.from({ length: 5 }, () => messages(first.url).then((response) => response.text())));
    expect(done).toHaveLength(5);
    const stall = stallAfter(5);
    upstream.respond(stall);
    const running = await messages(first.url, { body: { stream: true } });
    await running.body?.getReader().read();
    // What a kill leaves behind: the files as they are, and an owner that is gone.
    writeFileSync(join(first.dataDir, 'ledger', '0', 'owner'), '999999999 gone');
    controlPlane.reportMode = 'ack';
    first.gateway.shipper.close();
    const second = await startGateway(controlPlane, { dataDir: first.dataDir });
    hubs.push(second);
    const records = await controlPlane.waitForRecords(6);
    expect(records.filter((record) => record.statusCode === 200)).toHaveLength(5);
    expect(records.filter((record) => record.statusCode === 500)).toHaveLength(1);
    stall.resume();
    first.abandon();
  });
});
