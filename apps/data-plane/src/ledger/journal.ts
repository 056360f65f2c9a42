import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@hub/service';
import { decodeFrame, encodeFrame, type FrameType, frameTypes } from './frames.ts';

/**
 * The append-only log on disk that every record goes through: written before a request counts as done, read again by the
 * shipper, deleted once the control plane has it. One process owns a folder.
 *
 * Writes of one turn of the event loop go to the file in one call. They are not synced: they survive the death of the
 * process, not of the machine.
 */
export interface Journal {
  /** Resolves once the entry is in the file (or, if the disk refuses, in memory to be written later). */
  begin(id: string, record: Uint8Array): Promise<void>;
  end(id: string, record: Uint8Array): Promise<void>;
  /** End records from the cursor on, at most `maxRecords`; waits for none. */
  read(maxRecords: number): JournalBatch;
  /** Everything before the batch's end is delivered: what no open request needs is deleted. */
  delivered(batch: JournalBatch): void;
  /** Calls back whenever something was appended. */
  onAppend(listener: () => void): void;
  readonly stats: JournalStats;
  close(): void;
}

export interface JournalBatch {
  readonly records: readonly Buffer[];
  readonly position: { readonly segment: number; readonly offset: number };
}

export interface JournalStats {
  /** End records that are not delivered yet. */
  readonly backlog: number;
  /** The disk refuses to write. */
  readonly failing: boolean;
  /** Bytes that wait in memory because of that. */
  readonly unwrittenBytes: number;
  /** Requests that have begun and not ended. */
  readonly open: number;
  /** Damaged places met so far: each may have cost records. */
  readonly damaged: number;
}

export interface JournalOptions {
  readonly directory: string;
  readonly log: Logger;
  /** A new file is begun beyond this size. Bytes. */
  readonly segmentBytes?: number;
  /** Makes the end record of a request that was running when its process died. */
  readonly interrupted: (begun: Buffer, lastAliveMs: number) => { id: string; record: Uint8Array };
}

const readChunkBytes = 1024 * 1024;
const retryWriteMs = 1000;
const name = (segment: number): string => `${String(segment).padStart(10, '0')}.log`;

/** @throws if the folder cannot be written */
export function openJournal(options: JournalOptions): Journal {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  return new FileJournal(options);
}

class FileJournal implements Journal {
  readonly #options: JournalOptions;
  readonly #segmentBytes: number;
  /** Segment in which each running request began. */
  readonly #open = new Map<string, number>();
  #segments: number[];
  #writeSegment: number;
  #writeFd: number;
  #writtenBytes = 0;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #flush: Promise<void> | undefined;
  #cursor: { segment: number; offset: number };
  #backlog = 0;
  #failing = false;
  #damaged = 0;
  #retry: NodeJS.Timeout | undefined;
  #listeners: (() => void)[] = [];

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#segmentBytes = options.segmentBytes ?? 8 * 1024 * 1024;
    this.#segments = listSegments(options.directory);
    const recovered = this.#recover();
    this.#writeSegment = (this.#segments.at(-1) ?? 0) + 1;
    this.#writeFd = openSync(join(options.directory, name(this.#writeSegment)), 'ax', 0o600);
    this.#segments.push(this.#writeSegment);
    this.#cursor = { segment: this.#segments[0] ?? this.#writeSegment, offset: 0 };
    for (const { id, record } of recovered) void this.end(id, record);
    this.#write();
  }

  get stats(): JournalStats {
    return { backlog: this.#backlog, failing: this.#failing, unwrittenBytes: this.#pendingBytes, open: this.#open.size, damaged: this.#damaged };
  }

  begin(id: string, record: Uint8Array): Promise<void> {
    this.#open.set(id, this.#writeSegment);
    return this.#append(frameTypes.begin, record);
  }

  end(id: string, record: Uint8Array): Promise<void> {
    this.#open.delete(id);
    this.#backlog++;
    return this.#append(frameTypes.end, record);
  }

  onAppend(listener: () => void): void {
    this.#listeners.push(listener);
  }

  read(maxRecords: number): JournalBatch {
    const records: Buffer[] = [];
    let { segment, offset } = this.#cursor;
    while (records.length < maxRecords) {
      const part = this.#readSegment(segment, offset, maxRecords - records.length);
      records.push(...part.records);
      offset = part.offset;
      if (!part.exhausted || segment === this.#writeSegment) break;
      segment = this.#segments[this.#segments.indexOf(segment) + 1] ?? this.#writeSegment;
      offset = 0;
    }
    return { records, position: { segment, offset } };
  }

  delivered(batch: JournalBatch): void {
    this.#backlog -= batch.records.length;
    this.#cursor = { ...batch.position };
    this.#deleteDelivered();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#write();
    closeSync(this.#writeFd);
  }

  /** One promise per turn of the event loop, shared by all that append in it. */
  #append(type: FrameType, payload: Uint8Array): Promise<void> {
    const frame = encodeFrame(type, payload);
    this.#pending.push(frame);
    this.#pendingBytes += frame.length;
    this.#flush ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#flush = undefined;
        this.#write();
        resolve();
      });
    });
    return this.#flush;
  }

  #write(): void {
    if (this.#pending.length === 0) return;
    const bytes = this.#pending.length === 1 && this.#pending[0] !== undefined ? this.#pending[0] : Buffer.concat(this.#pending);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#writeFd, bytes, written);
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#failing = false;
      this.#writtenBytes += bytes.length;
    } catch (error) {
      this.#keepUnwritten(bytes.subarray(written), error);
      this.#writtenBytes += written;
    }
    if (this.#writtenBytes >= this.#segmentBytes && !this.#failing) this.#rotate();
    for (const listener of this.#listeners) listener();
  }

  /** Nothing is dropped: what the disk refused is tried again, from the very byte on. */
  #keepUnwritten(rest: Buffer, error: unknown): void {
    if (!this.#failing) this.#options.log.error({ err: error, directory: this.#options.directory }, 'the ledger cannot be written; keeping records in memory');
    this.#failing = true;
    this.#pending = [Buffer.from(rest)];
    this.#pendingBytes = rest.length;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#write(), retryWriteMs);
    this.#retry.unref();
  }

  #rotate(): void {
    const next = this.#writeSegment + 1;
    try {
      const fd = openSync(join(this.#options.directory, name(next)), 'ax', 0o600);
      closeSync(this.#writeFd);
      this.#writeFd = fd;
    } catch (error) {
      this.#options.log.error({ err: error }, 'the ledger cannot begin a new file; going on with the old one');
      return;
    }
    this.#writeSegment = next;
    this.#writtenBytes = 0;
    this.#segments.push(next);
    this.#deleteDelivered();
  }

  #readSegment(segment: number, from: number, maxRecords: number): { records: Buffer[]; offset: number; exhausted: boolean } {
    const records: Buffer[] = [];
    const file = openSync(join(this.#options.directory, name(segment)), 'r');
    try {
      const size = fstatSync(file).size;
      let offset = from;
      let want = readChunkBytes;
      while (offset < size && records.length < maxRecords) {
        const chunk = Buffer.allocUnsafe(Math.min(want, size - offset));
        const length = readSync(file, chunk, 0, chunk.length, offset);
        const used = takeFrames(chunk.subarray(0, length), maxRecords - records.length, (type, payload) => {
          if (type === frameTypes.end) records.push(payload);
        });
        offset += used.bytes;
        if (used.damaged) {
          this.#noteDamage(segment, offset);
          return { records, offset: size, exhausted: true };
        }
        if (used.bytes === 0 && length === size - offset) break;
        want = used.bytes === 0 ? want * 4 : readChunkBytes;
      }
      return { records, offset, exhausted: records.length < maxRecords };
    } finally {
      closeSync(file);
    }
  }

  /** Reads what an earlier process left: counts what is not delivered and ends what was cut short. */
  #recover(): { id: string; record: Uint8Array }[] {
    const running = new Map<string, { id: string; record: Uint8Array }>();
    for (const segment of this.#segments) {
      const path = join(this.#options.directory, name(segment));
      const bytes = readFileSync(path);
      const lastAliveMs = statSync(path).mtimeMs;
      const used = takeFrames(bytes, Number.POSITIVE_INFINITY, (type, payload) => {
        const { id, record } = this.#options.interrupted(payload, lastAliveMs);
        if (type === frameTypes.begin) running.set(id, { id, record });
        else {
          running.delete(id);
          this.#backlog++;
        }
      });
      // A cut frame at the very end is what a kill leaves behind; anything else is damage.
      if (used.damaged) this.#noteDamage(segment, used.bytes);
    }
    return [...running.values()];
  }

  #noteDamage(segment: number, offset: number): void {
    this.#damaged++;
    this.#options.log.error({ segment, offset }, 'the ledger is damaged here; records behind this place in the same file are lost');
  }

  #deleteDelivered(): void {
    const needed = Math.min(this.#cursor.segment, this.#writeSegment, ...this.#open.values());
    while ((this.#segments[0] ?? needed) < needed) {
      const segment = this.#segments.shift();
      if (segment === undefined) return;
      try {
        unlinkSync(join(this.#options.directory, name(segment)));
      } catch (error) {
        this.#options.log.warn({ err: error, segment }, 'a delivered ledger file could not be deleted');
      }
    }
  }
}

function takeFrames(bytes: Buffer, maxEnds: number, take: (type: number, payload: Buffer) => void): { bytes: number; damaged: boolean } {
  let offset = 0;
  let ends = 0;
  while (ends < maxEnds) {
    const frame = decodeFrame(bytes, offset);
    if (frame === 'more') break;
    if (frame === 'damaged') return { bytes: offset, damaged: true };
    take(frame.type, frame.payload);
    if (frame.type === frameTypes.end) ends++;
    offset += frame.size;
  }
  return { bytes: offset, damaged: false };
}

function listSegments(directory: string): number[] {
  return readdirSync(directory)
    .filter((file) => /^\d{10}\.log$/.test(file))
    .map((file) => Number.parseInt(file, 10))
    .sort((left, right) => left - right);
}
