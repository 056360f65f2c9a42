import { type Client, create, fromBinary, type NodeEvent, NodeEventSchema, type UsageService, UsageRecordSchema, type ReportResponse } from '@hub/contract';
import { type Backoff, backoff, type Clock, type Logger, recordId } from '@hub/service';
import type { Journal, JournalBatch } from './journal.ts';

/** Brings what the journal holds to the control plane: one batch at a time, repeated until it is acknowledged. */
export interface Shipper {
  /** Something else that the control plane should know. Kept in memory only, newest 1,000. */
  event(event: NodeEvent['event']): void;
  /** Tries to deliver what is there, for at most `deadlineMs`. */
  flush(deadlineMs: number): Promise<void>;
  readonly connected: boolean;
  close(): void;
}

export interface ShipperOptions {
  readonly client: Client<typeof UsageService>;
  readonly journal: Journal;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onRejected: (count: number) => void;
}

const batchRecords = 500;
/** Without an acknowledgement within this time the stream is taken for dead. ms */
const acknowledgeMs = 30_000;
const maxEvents = 1000;

export function startShipper(options: ShipperOptions): Shipper {
  return new GrpcShipper(options);
}

class GrpcShipper implements Shipper {
  readonly #options: ShipperOptions;
  readonly #backoff: Backoff = backoff(200, 10_000);
  #stream: ReturnType<Client<typeof UsageService>['report']> | undefined;
  #inFlight: { batch: bigint; content: JournalBatch; events: number } | undefined;
  #batch = 0n;
  #events: NodeEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #connected = false;
  #idle: (() => void)[] = [];

  constructor(options: ShipperOptions) {
    this.#options = options;
    options.journal.onAppend(() => this.#pump());
    this.#pump();
  }

  get connected(): boolean {
    return this.#connected;
  }

  event(event: NodeEvent['event']): void {
    const now = this.#options.clock.now();
    this.#events.push(create(NodeEventSchema, { id: recordId(now), atMs: BigInt(Math.round(now)), event }));
    if (this.#events.length > maxEvents) this.#events.shift();
    this.#pump();
  }

  async flush(deadlineMs: number): Promise<void> {
    if (this.#options.journal.stats.backlog === 0 && this.#events.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)));
    await Promise.race([late, new Promise<void>((resolve) => this.#idle.push(resolve))]);
    clearTimeout(timer);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
  }

  #pump(): void {
    if (this.#closed || this.#inFlight !== undefined || (this.#timer !== undefined && this.#stream === undefined)) return;
    const content = this.#options.journal.read(batchRecords);
    if (content.records.length === 0 && this.#events.length === 0) {
      // Frames that hold nothing to deliver are behind us too.
      this.#options.journal.delivered(content);
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const stream = (this.#stream ??= this.#open());
    this.#batch++;
    this.#inFlight = { batch: this.#batch, content, events: this.#events.length };
    stream.write({
      batch: this.#batch,
      nodeId: this.#options.nodeId,
      records: content.records.map((bytes) => fromBinary(UsageRecordSchema, bytes)),
      events: this.#events,
    });
    this.#timer = setTimeout(() => this.#fail(new Error('no acknowledgement in time')), acknowledgeMs);
  }

  #open() {
    const stream = this.#options.client.report();
    stream.on('data', (response: ReportResponse) => this.#acknowledged(response));
    stream.on('error', (error: Error) => {
      if (stream === this.#stream) this.#fail(error);
    });
    stream.on('end', () => {
      if (stream === this.#stream) this.#fail(new Error('the control plane ended the stream'));
    });
    return stream;
  }

  #acknowledged(response: ReportResponse): void {
    if (this.#inFlight === undefined || response.batch !== this.#inFlight.batch) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#connected = true;
    this.#backoff.reset();
    if (response.rejected.length > 0) {
      this.#options.onRejected(response.rejected.length);
      this.#options.log.error({ rejected: response.rejected.slice(0, 10) }, 'the control plane cannot store some usage records');
    }
    this.#options.journal.delivered(this.#inFlight.content);
    this.#events = this.#events.slice(this.#inFlight.events);
    this.#inFlight = undefined;
    this.#pump();
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    if (this.#connected) this.#options.log.warn({ err: error }, 'usage reports are interrupted; records wait on disk');
    this.#connected = false;
    this.#inFlight = undefined;
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, this.#backoff.next());
  }
}
