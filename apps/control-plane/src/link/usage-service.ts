import { status } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type Handlers, type ReportRequest, type ReportResponse, ReportResponseSchema, RpcError, type UsageService, create } from '@hub/contract';
import type { Logger } from '@hub/service';
import type { Ingest } from './ingest.ts';
import type { NodeEvents } from './node-events.ts';

export interface UsageServiceOptions {
  readonly ingest: Ingest;
  readonly events: NodeEvents;
  readonly log: Logger;
}

export interface UsageIntake {
  readonly handlers: Handlers<typeof UsageService>;
  /** Answers the batches that are being stored, then ends the streams. */
  close(): Promise<void>;
}

type ReportCall = ServerDuplexStream<ReportRequest, ReportResponse>;

/** Takes in what the data planes report: one batch per stream at a time, each answered after its commit. */
export function createUsageIntake(options: UsageServiceOptions): UsageIntake {
  const streams = new Set<ReportStream>();
  return {
    handlers: {
      report(call) {
        const stream = new ReportStream(call, options);
        streams.add(stream);
        call.on('close', () => streams.delete(stream));
      },
    },
    async close() {
      await Promise.all([...streams].map((stream) => stream.end()));
    },
  };
}

class ReportStream {
  readonly #call: ReportCall;
  readonly #options: UsageServiceOptions;
  #working: Promise<void> = Promise.resolve();
  #ending = false;

  constructor(call: ReportCall, options: UsageServiceOptions) {
    this.#call = call;
    this.#options = options;
    call.on('data', (request: ReportRequest) => {
      // Not before this one is answered: what waits stays with the sender, not in memory here. One more may be under way.
      call.pause();
      this.#working = this.#working.then(() => this.#take(request));
    });
    call.on('end', () => void this.end());
    call.on('error', (error) => options.log.debug({ err: error }, 'a usage stream failed'));
  }

  async end(): Promise<void> {
    if (!this.#ending) {
      this.#ending = true;
      await this.#working;
      this.#call.end();
    }
    await this.#working;
  }

  async #take(request: ReportRequest): Promise<void> {
    const { ingest, events, log } = this.#options;
    if (this.#call.destroyed) return;
    try {
      const rejected = await ingest(request.records);
      for (const event of request.events) await events.take(request.nodeId, event);
      if (this.#call.destroyed) return;
      this.#call.write(create(ReportResponseSchema, { batch: request.batch, rejected: rejected.map(({ id, reason }) => ({ id, reason })) }));
      if (!this.#ending) this.#call.resume();
    } catch (error) {
      this.#ending = true;
      log.error({ err: error, node: request.nodeId, batch: String(request.batch), records: request.records.length }, 'a batch of usage records could not be stored; the node will send it again');
      if (!this.#call.destroyed) this.#call.emit('error', new RpcError(status.UNAVAILABLE, 'the database did not take the batch; send it again'));
    }
  }
}
