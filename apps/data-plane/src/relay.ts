import { encodeStreamError } from '@hub/protocol';
import { corsHeaders } from './answer.ts';
import { AnswerSample } from './tokens/estimate.ts';
import type { Exchange } from './exchange.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import { clientHeaders } from './upstream/headers.ts';
import { type Failure, failureOf, type Reply } from './upstream/reply.ts';

/**
 * Passes a reply on, byte for byte and no faster than the client reads. Never throws: a client that leaves and an upstream
 * that breaks off are both ways to end.
 */
export interface RelayEnd {
  /** Why it did not end well; undefined = complete. */
  readonly failure: Failure | undefined;
  /** The beginning of the answer, for counting what the upstream did not count. */
  readonly sample: string;
  /** Sends what is left and closes the answer. Called after the request has been recorded. */
  finish(): void;
}

/** How long a client may leave a full buffer unread before it is cut off. ms */
const clientStallMs = 600_000;
const eventEnd = Buffer.from('\n\n');
/** How long and how much is read on after the client has left, where the provider is set to "drain". */
const drainMs = 60_000;

export function relay(reply: Reply, exchange: Exchange, request: ProxyRequest, onClientAbort: 'cancel' | 'drain'): Promise<RelayEnd> {
  return reply.streaming ? relayStream(reply, exchange, request, onClientAbort) : relayWhole(reply, exchange);
}

/** An answer that is complete, or of unknown kind: begun with the first bytes that go beyond what was judged. */
function relayWhole(reply: Reply, exchange: Exchange): Promise<RelayEnd> {
  return new Promise((resolve) => {
    const { sink } = exchange;
    const held: Buffer[] = [];
    const sample = new AnswerSample();
    let live = false;
    const begin = (keepLength: boolean) => sink.start(reply.status, { ...clientHeaders(reply.headers, keepLength), ...corsHeaders(exchange.headers) });
    const stopListening = exchange.onClientGone(() => reply.abort());
    reply.read({
      onData(chunk) {
        sample.add(chunk);
        if (!live) return void held.push(chunk);
        if (!sink.write(chunk)) pauseUntilDrained(reply, exchange);
      },
      onEnd(error) {
        stopListening();
        resolve({
          failure: error ?? (exchange.clientGone ? clientGone() : undefined),
          sample: sample.text,
          finish() {
            if (error !== undefined) return sink.started ? sink.destroy() : undefined;
            if (live) return sink.end();
            const body = held.length === 1 ? held[0] : Buffer.concat(held);
            begin(true);
            sink.end(body);
          },
        });
      },
    });
    // Still open after handing over what was held: too large or too unknown to be judged as a whole.
    if (reply.isOpen()) {
      live = true;
      begin(true);
      for (const chunk of held) sink.write(chunk);
      held.length = 0;
    }
  });
}

function relayStream(reply: Reply, exchange: Exchange, request: ProxyRequest, onClientAbort: 'cancel' | 'drain'): Promise<RelayEnd> {
  return new Promise((resolve) => {
    const { sink } = exchange;
    const sample = new AnswerSample();
    let last: Buffer | undefined;
    let drainTimer: NodeJS.Timeout | undefined;
    sink.start(reply.status, { ...clientHeaders(reply.headers, false), ...corsHeaders(exchange.headers) });
    const stopListening = exchange.onClientGone(() => {
      if (onClientAbort === 'cancel') return reply.abort();
      drainTimer = setTimeout(() => reply.abort(), drainMs);
      reply.resume();
    });
    reply.read({
      onData(chunk) {
        sample.add(chunk);
        last = chunk;
        if (!sink.write(chunk)) pauseUntilDrained(reply, exchange);
      },
      onEnd(error) {
        stopListening();
        clearTimeout(drainTimer);
        const failure = exchange.clientGone ? clientGone() : (error ?? brokenOff(reply));
        resolve({
          failure,
          sample: sample.text,
          finish() {
            if (failure !== undefined && failure.kind !== 'client_gone' && failure.passedOn !== true) {
              // What was cut inside an event must not swallow ours.
              if (last?.subarray(-2).toString('latin1') !== '\n\n') sink.write(eventEnd);
              sink.write(streamError(request, failure, reply));
            }
            sink.end();
          },
        });
      },
    });
  });
}

/** A stream that ends properly for TCP but not for its dialect was cut by somebody. */
function brokenOff(reply: Reply): Failure | undefined {
  const { watcher } = reply;
  if (watcher.error !== undefined) return { ...failureOf('error_inside', watcher.error.status, watcher.error.message), passedOn: true };
  return watcher.finished ? undefined : failureOf('network', 502, 'the upstream ended its stream before the answer was complete');
}

function streamError(request: ProxyRequest, failure: Failure, { watcher }: Reply): Uint8Array {
  const timeout = failure.kind === 'timeout';
  const { responseId, model, sequenceNumber } = watcher;
  return encodeStreamError(
    request.dialect,
    {
      status: timeout ? 504 : 502,
      type: 'api_error',
      message: timeout ? 'The upstream stopped sending.' : 'The upstream broke off its answer.',
    },
    {
      createdAt: Math.floor(request.arrivedAt / 1000),
      ...(responseId !== undefined && { responseId }),
      ...(model !== undefined && { model }),
      ...(sequenceNumber !== undefined && { sequenceNumber: sequenceNumber + 1 }),
    },
  );
}

function clientGone(): Failure {
  return failureOf('client_gone', 499, 'the client closed the connection');
}

function pauseUntilDrained(reply: Reply, exchange: Exchange): void {
  if (exchange.clientGone) return;
  reply.pause();
  const stalled = setTimeout(() => exchange.sink.destroy(), clientStallMs);
  exchange.sink.onDrain(() => {
    clearTimeout(stalled);
    reply.resume();
  });
}
