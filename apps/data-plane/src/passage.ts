import { type Dialect, encodeStreamError, SseDecoder, encodeSseBytes, type SseEvent, streamConverter, type UpstreamError } from '@hub/protocol';
import type { Conversion } from './upstream/convert.ts';
import type { Reply } from './upstream/reply.ts';

/** What becomes of a stream's bytes on their way from the provider to the client. */
export interface Passage {
  push(chunk: Buffer): readonly Uint8Array[];
  /** The end. `failure` set: it broke off, and the client has not been told. */
  end(failure: UpstreamError | undefined): readonly Uint8Array[];
  /** Between two events: the only place where something of ours may stand. */
  readonly betweenEvents: boolean;
}

/** The same dialect: every byte as it came. */
export function identityPassage(dialect: Dialect, reply: Reply, createdAt: number): Passage {
  let last: Buffer | undefined;
  const complete = () => last === undefined || last.subarray(-2).toString('latin1') === '\n\n' || last.subarray(-4).toString('latin1') === '\r\n\r\n';
  return {
    push(chunk) {
      last = chunk;
      return [chunk];
    },
    end(failure) {
      if (failure === undefined) return [];
      const error = streamError(dialect, failure, reply, createdAt);
      // What was cut inside an event must not swallow ours.
      return complete() ? [error] : [eventEnd, error];
    },
    get betweenEvents() {
      return complete();
    },
  };
}

const eventEnd = Buffer.from('\n\n');

/** Chat Completions without the piece that only says what the stream cost: the client did not ask for it. */
export function usageHidingPassage(reply: Reply, createdAt: number): Passage {
  const decoder = new SseDecoder();
  const shown = (events: readonly SseEvent[]) => events.filter((event) => !isUsageChunk(event.data)).map(encodeSseBytes);
  return {
    push: (chunk) => shown(decoder.push(chunk)),
    end(failure) {
      const rest = shown(decoder.end());
      return failure === undefined ? rest : [...rest, streamError('openai-chat', failure, reply, createdAt)];
    },
    betweenEvents: true,
  };
}

function isUsageChunk(data: string): boolean {
  return /"choices"\s*:\s*\[\s*\]/.test(data) && data.includes('"usage"') && !data.includes('"error"');
}

/** Another dialect: decoded, understood and written anew. */
export function convertingPassage(conversion: Conversion): Passage {
  const converter = streamConverter(conversion.upstream, conversion.client, conversion.answer);
  return {
    push: (chunk) => converter.push(chunk),
    end: (failure) => (failure === undefined ? converter.end() : converter.fail(failure)),
    betweenEvents: true,
  };
}

function streamError(dialect: Dialect, failure: UpstreamError, { watcher }: Reply, createdAt: number): Uint8Array {
  const { responseId, model, sequenceNumber } = watcher;
  return encodeStreamError(
    dialect,
    { status: failure.status, type: 'api_error', message: failure.message },
    {
      createdAt,
      ...(responseId !== undefined && { responseId }),
      ...(model !== undefined && { model }),
      ...(sequenceNumber !== undefined && { sequenceNumber: sequenceNumber + 1 }),
    },
  );
}
