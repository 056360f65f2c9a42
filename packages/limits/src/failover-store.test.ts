import { silentLogger } from '@hub/service';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FailoverStore } from './failover-store.ts';
import { Journal } from './journal.ts';
import { LiveHolds } from './live-holds.ts';
import { MemoryStore } from './memory-store.ts';
import { positionAt } from './orders.ts';
import type { Heartbeat, SeedOrder, SettleAnswer, SettleOrder } from './store.ts';
import { calendarOf } from './window.ts';

const NOW = Date.UTC(2026, 10, 24, 8);
const calendar = calendarOf('UTC');
const position = positionAt(NOW, calendar);
const day = calendar.day(NOW, 0).start;

/** A shared store that can be switched off. */
class Switched extends MemoryStore {
  down = false;
  handedBack: string[] = [];

  override async settle(order: SettleOrder): Promise<SettleAnswer> {
    if (this.down) throw new Error('down');
    this.handedBack.push(order.hold.recordId);
    return super.settle(order);
  }

  override async heartbeat(): Promise<Heartbeat> {
    if (this.down) throw new Error('down');
    return { nodes: 1, forgotten: false };
  }
}

function settlement(recordId: string): SettleOrder {
  return {
    hold: { slot: 'u:1', recordId, tags: ['u'], granted: 0n, member: '' },
    position,
    spent: { nanos: 1n, startedAt: NOW, settledAt: NOW, idleUntil: 0 },
    binding: undefined,
    weekStart: position.weekStart,
    monthStart: position.monthStart,
    subjects: [{ tag: 'u', limited: true, dayStart: day }],
  };
}

const seed: Omit<SeedOrder, 'token'> = {
  slot: 'u:1',
  tag: 'u',
  position,
  seed: {
    signature: 's',
    rolling: false,
    recentSince: 0,
    provisionalUntil: 0,
    total: 5n,
    week: { start: position.weekStart, nanos: 5n },
    month: { start: position.monthStart, nanos: 5n },
    day: { start: day, nanos: 5n },
    fiveHourBuckets: [],
    dayBuckets: [],
    recent: [],
  },
};

async function warmed(shared: MemoryStore): Promise<void> {
  await shared.claim({ slot: 'u:1', tag: 'u', signature: 's', token: 't', now: NOW, claimUntil: NOW + 1000 });
  await shared.seed({ ...seed, token: 't' });
}

function failover(shared: Switched, mostJournaled: number): FailoverStore {
  const store = new FailoverStore({
    shared,
    holds: new LiveHolds(),
    recent: new Journal({ most: 10, timeOf: () => NOW }),
    clock: { now: () => NOW },
    log: silentLogger,
    nodeId: 'n',
    timeoutMs: 1000,
    leaseMs: 60_000,
    heartbeatMs: 5000,
    mostJournaled,
  });
  onTestFinished(() => store.close());
  return store;
}

async function back(store: FailoverStore): Promise<void> {
  await new Promise<void>((resolve) => store.onModeChange((mode) => void (mode === 'shared' && resolve())));
}

const totalIn = async (store: MemoryStore) =>
  (await store.peek({ slot: 'u:1', position, subjects: [{ tag: 'u', signature: 's', dayStart: day }] })).subjects[0]?.spent?.total;

describe('what is settled while the shared store is away', () => {
  it('is handed back in order, all of it', async () => {
    const shared = new Switched();
    await warmed(shared);
    const store = failover(shared, 1000);
    shared.down = true;
    const records = Array.from({ length: 450 }, (_, index) => `r${index}`);
    for (const record of records) await store.settle(settlement(record));
    expect([store.mode, store.journaled]).toEqual(['local', 450]);
    shared.down = false;
    await back(store);
    expect(shared.handedBack).toEqual(records);
    expect(await totalIn(shared)).toBe(455n);
    expect(store.journaled).toBe(0);
  });

  it('if it is too much, the subject is rebuilt from the database instead of undercounted', async () => {
    const shared = new Switched();
    await warmed(shared);
    const store = failover(shared, 3);
    shared.down = true;
    for (const record of ['a', 'b', 'c', 'd', 'e']) await store.settle(settlement(record));
    shared.down = false;
    await back(store);
    expect(shared.handedBack).toEqual(['c', 'd', 'e']);
    expect(await totalIn(shared)).toBeUndefined();
  });
});
