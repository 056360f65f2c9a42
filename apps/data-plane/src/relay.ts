import { AnswerError, answerText, convertResponse, keepAlive, type UpstreamError } from '@hub/protocol';
import { answerFault, corsHeaders } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { HubFault } from './faults.ts';
import { convertingPassage, identityPassage, type Passage, usageHidingPassage } from './passage.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import { AnswerSample } from './tokens/estimate.ts';
import type { Conversion } from './upstream/convert.ts';
import { clientHeaders } from './upstream/headers.ts';
import { type Failure, failureOf, type Reply } from './upstream/reply.ts';

/**
 * Passes a reply on, no faster than the client reads: byte for byte in the client's dialect, converted from another one.
 * Never throws: a client that leaves and an upstream that breaks off are both ways to end.
 */
export interface RelayEnd {
  /** Why it did not end well; undefined = complete. */
  readonly failure: Failure | undefined;
  /** The beginning of the answer, for counting what the upstream did not count. */
  readonly sample: string;
  /** Sends what is left and closes the answer. Called after the request has been recorded. */
  finish(): void;
}

export interface RelayOptions {
  readonly request: ProxyRequest;
  readonly onClientAbort: 'cancel' | 'drain';
  readonly conversion: Conversion | undefined;
  readonly hideUsage: boolean;
}

/** How long a client may leave a full buffer unread before it is cut off. ms */
const clientStallMs = 600_000;
/** How long is read on after the client has left, where the provider is set to "drain". ms */
const drainMs = 60_000;
/** A stream that says nothing for this long gets a sign of life, or proxies on the way take it for dead. ms */
const keepAliveMs = 15_000;

export function relay(reply: Reply, exchange: Exchange, options: RelayOptions): Promise<RelayEnd> {
  return reply.streaming ? relayStream(reply, exchange, options) : relayWhole(reply, exchange, options);
}

/** An answer that is complete, or of unknown kind: begun with the first bytes that go beyond what was judged. */
function relayWhole(reply: Reply, exchange: Exchange, { request, conversion }: RelayOptions): Promise<RelayEnd> {
  return new Promise((resolve) => {
    const { sink } = exchange;
    const held: Buffer[] = [];
    const sample = new AnswerSample();
    let live = false;
    const begin = () => sink.start(reply.status, { ...clientHeaders(reply.headers, true), ...corsHeaders(exchange.headers) });
    const stopListening = exchange.onClientGone(() => reply.abort());
    reply.read({
      onData(chunk) {
        sample.add(chunk);
        if (!live) return void held.push(chunk);
        if (!sink.write(chunk)) pauseUntilDrained(reply, exchange);
      },
      onEnd(error) {
        stopListening();
        const body = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
        const converted = conversion === undefined || error !== undefined || live ? undefined : convertWhole(conversion, body);
        resolve({
          failure: error ?? (exchange.clientGone ? clientGone() : converted?.failure),
          sample: sample.text,
          finish() {
            if (converted?.failure !== undefined) return answerFault(exchange, unreadable(converted.failure), request.dialect);
            if (error !== undefined) return sink.started ? sink.destroy() : answerFault(exchange, unreadable(error), request.dialect);
            if (live) return sink.end();
            if (converted === undefined) {
              begin();
              return sink.end(body);
            }
            sink.start(reply.status, { ...clientHeaders(reply.headers, false), ...corsHeaders(exchange.headers), 'content-type': converted.type });
            sink.end(converted.body);
          },
        });
      },
    });
    // Still open after handing over what was held: too large or too unknown to be judged as a whole.
    if (reply.isOpen() && conversion === undefined) {
      live = true;
      begin();
      for (const chunk of held) sink.write(chunk);
      held.length = 0;
    }
  });
}

interface ConvertedWhole {
  readonly body: Buffer;
  readonly type: string;
  readonly failure: Failure | undefined;
}

/** A whole answer for a client that wanted one, or as a stream for a client that wanted that. */
function convertWhole(conversion: Conversion, body: Buffer): ConvertedWhole {
  const type = conversion.streaming ? 'text/event-stream; charset=utf-8' : 'application/json; charset=utf-8';
  try {
    if (conversion.streaming) {
      const passage = convertingPassage(conversion);
      return { body: Buffer.concat([...passage.push(body), ...passage.end(undefined)]), type, failure: undefined };
    }
    const answer = convertResponse(conversion.upstream, conversion.client, JSON.parse(body.toString('utf8')), conversion.answer);
    return { body: Buffer.from(answerText(conversion.client, answer)), type, failure: undefined };
  } catch (error) {
    const told: UpstreamError = error instanceof AnswerError ? error.failure : { status: 502, message: 'the answer of the provider cannot be read' };
    return { body: Buffer.alloc(0), type, failure: { ...failureOf('error_inside', told.status, told.message), error: told } };
  }
}

function unreadable(failure: Failure): HubFault {
  return new HubFault('upstream_error', failure.kind === 'network' ? 'The upstream broke off its answer.' : failure.error.message);
}

function relayStream(reply: Reply, exchange: Exchange, options: RelayOptions): Promise<RelayEnd> {
  return new Promise((resolve) => {
    const { sink } = exchange;
    const { request, conversion, onClientAbort } = options;
    const passage = passageOf(reply, options);
    const sample = new AnswerSample();
    let drainTimer: NodeJS.Timeout | undefined;
    sink.start(reply.status, {
      ...clientHeaders(reply.headers, false),
      ...corsHeaders(exchange.headers),
      ...(conversion !== undefined && { 'content-type': 'text/event-stream; charset=utf-8' }),
    });
    const ping = Buffer.from(keepAlive(request.dialect));
    const alive = setInterval(() => {
      if (passage.betweenEvents && isEventStream(reply, conversion)) sink.write(ping);
    }, keepAliveMs);
    const stopListening = exchange.onClientGone(() => {
      clearInterval(alive);
      if (onClientAbort === 'cancel') return reply.abort();
      drainTimer = setTimeout(() => reply.abort(), drainMs);
      reply.resume();
    });
    reply.read({
      onData(chunk) {
        sample.add(chunk);
        alive.refresh();
        let room = true;
        for (const piece of passage.push(chunk)) room = sink.write(piece);
        if (!room) pauseUntilDrained(reply, exchange);
      },
      onEnd(error) {
        stopListening();
        clearInterval(alive);
        clearTimeout(drainTimer);
        const failure = exchange.clientGone ? clientGone() : (error ?? brokenOff(reply));
        resolve({
          failure,
          sample: sample.text,
          finish() {
            for (const piece of passage.end(failure === undefined ? undefined : toldToClient(failure))) sink.write(piece);
            sink.end();
          },
        });
      },
    });
  });
}

function passageOf(reply: Reply, { request, conversion, hideUsage }: RelayOptions): Passage {
  if (conversion !== undefined) return convertingPassage(conversion);
  const createdAt = Math.floor(request.arrivedAt / 1000);
  return hideUsage ? usageHidingPassage(reply, createdAt) : identityPassage(request.dialect, reply, createdAt);
}

/** Gemini's JSON array has no place for a sign of life. */
function isEventStream(reply: Reply, conversion: Conversion | undefined): boolean {
  const type = reply.headers['content-type'];
  return conversion !== undefined || (typeof type === 'string' && type.includes('event-stream'));
}

/** What the client is told of a failure inside its stream; undefined: it knows already, or is gone. */
function toldToClient(failure: Failure): UpstreamError | undefined {
  if (failure.kind === 'client_gone' || failure.passedOn === true) return undefined;
  const timeout = failure.kind === 'timeout';
  return { status: timeout ? 504 : 502, message: timeout ? 'The upstream stopped sending.' : 'The upstream broke off its answer.' };
}

/** A stream that ends properly for TCP but not for its dialect was cut by somebody. */
function brokenOff(reply: Reply): Failure | undefined {
  const { watcher } = reply;
  if (watcher.error !== undefined) return { ...failureOf('error_inside', watcher.error.status, watcher.error.message), passedOn: true };
  return watcher.finished ? undefined : failureOf('network', 502, 'the upstream ended its stream before the answer was complete');
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
