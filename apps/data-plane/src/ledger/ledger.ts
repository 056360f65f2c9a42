import { create, fromBinary, toBinary, type UsageRecord, UsageRecordSchema } from '@hub/contract';
import type { Logger } from '@hub/service';
import { type Journal, openJournal } from './journal.ts';

/** Where every admitted request is recorded: once when it begins, once when it ends. */
export interface Ledger {
  /** Resolves when the process may die without the request being forgotten. */
  begin(record: UsageRecord): Promise<void>;
  end(record: UsageRecord): Promise<void>;
  /** False: the disk has refused for so long that no further request may be admitted. */
  readonly accepting: boolean;
  readonly journal: Journal;
}

/** How much may wait in memory for a disk that refuses. Bytes. */
const maxUnwrittenBytes = 64 * 1024 * 1024;

export function openLedger(directory: string, log: Logger): Ledger {
  const journal = openJournal({ directory, log, interrupted });
  return {
    journal,
    begin: (record) => journal.begin(record.id, toBinary(UsageRecordSchema, record)),
    end: (record) => journal.end(record.id, toBinary(UsageRecordSchema, record)),
    get accepting() {
      return journal.stats.unwrittenBytes < maxUnwrittenBytes;
    },
  };
}

/** What can be said of a request whose process died: that it was running until about then. */
function interrupted(begun: Buffer, lastAliveMs: number): { id: string; record: Uint8Array } {
  const record = fromBinary(UsageRecordSchema, begun);
  if (record.statusCode !== 0) return { id: record.id, record: begun };
  const ended = create(UsageRecordSchema, {
    ...record,
    statusCode: 500,
    durationMs: Math.max(0, Math.round(lastAliveMs - Number(record.startedAtMs))),
    errorMessage: 'The gateway process ended while this request was running.',
  });
  return { id: ended.id, record: toBinary(UsageRecordSchema, ended) };
}
