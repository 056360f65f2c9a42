import { BlockWriter, cutShort, notJson } from './block-writer.ts';
import type { ChatEvent, FinishReason } from './chat.ts';
import type { Dialect } from './dialect.ts';
import { errorInPayload } from './errors.ts';
import type { UpstreamError } from './errors.ts';
import { asFields, asText, parseJson } from './json.ts';
import type { Fields } from './json.ts';
import type { AnswerHead, StreamDecoder } from './protocol.ts';
import type { SseEvent } from './sse.ts';
import { UsageCollector } from './usage.ts';
import type { Usage } from './usage.ts';

/** One dialect's part of a decoder: what its payloads mean. */
export interface PayloadReader {
  /** Reads one payload; throws nothing. */
  read: (payload: Fields, state: StreamState) => void;
  /**
   * The stream is over without `finish`: how it ended all the same, or undefined if it was cut. `marked`: by `[DONE]`, not
   * just by the connection's end.
   */
  ending: (state: StreamState, marked: boolean) => FinishReason | undefined;
}

/** What every decoder keeps: the blocks, the head, the usage, and whether it is over. */
export class StreamState {
  readonly blocks: BlockWriter;
  readonly head: AnswerHead = { id: undefined, model: undefined, promptCacheKey: undefined, serviceTier: undefined };
  readonly #usage: UsageCollector;
  #latest: Fields | undefined;
  #started = false;
  over = false;

  constructor(dialect: Dialect) {
    this.#usage = new UsageCollector(dialect);
    this.blocks = new BlockWriter({ origin: dialect, data: '' });
  }

  get usage(): Usage | undefined {
    if (this.#latest !== undefined) this.#usage.add(this.#latest);
    this.#latest = undefined;
    return this.#usage.usage;
  }

  addUsage(payload: Fields): void {
    this.#usage.add(payload);
  }

  /** For a dialect that repeats usage in every payload: only the last one is read, and only when somebody asks. */
  setUsage(payload: Fields): void {
    this.#latest = payload;
  }

  /** Writes `start` once; what the first payload says of the answer counts. */
  start(created: number | undefined): void {
    if (this.#started) return;
    this.#started = true;
    this.blocks.write({ type: 'start', id: this.head.id, model: this.head.model, created, usage: this.usage });
  }

  finish(reason: FinishReason, stopSequence: string | undefined = undefined): void {
    if (this.over) return;
    this.start(undefined);
    this.blocks.close();
    this.over = true;
    this.blocks.write({ type: 'finish', reason: this.#corrected(reason), stopSequence, usage: this.usage });
  }

  /** An open block stays open: half a tool call must not look like a whole one, which clients would carry out. */
  fail(failure: UpstreamError): void {
    if (this.over) return;
    this.start(undefined);
    this.over = true;
    this.blocks.write({ type: 'error', failure });
  }

  /** Upstreams end an answer with tool calls as an ordinary one, or the other way round; clients go by the reason. */
  #corrected(reason: FinishReason): FinishReason {
    if (reason === 'stop' && this.blocks.toolsSeen) return 'tool-calls';
    return reason === 'tool-calls' && !this.blocks.toolsSeen ? 'stop' : reason;
  }
}

/** A decoder made of one dialect's reader. Once the answer is over, whatever else the upstream sends is ignored. */
export function streamDecoder(dialect: Dialect, reader: PayloadReader): StreamDecoder {
  const state = new StreamState(dialect);
  const push = (event: SseEvent): ChatEvent[] => {
    if (state.over) return [];
    const payload = asFields(parseJson(event.data));
    if (payload === undefined) unreadable(event.data, state, reader);
    else {
      // Some relays name the event on its line only.
      if (payload.type === undefined && event.event !== '') payload.type = event.event;
      const failure = mayFail(payload, event.event) ? errorInPayload(payload, event.event) : undefined;
      if (failure === undefined) reader.read(payload, state);
      else {
        state.addUsage(payload);
        state.fail(failure);
      }
    }
    return state.blocks.take();
  };
  const end = (): ChatEvent[] => {
    if (!state.over) settle(state, reader, false);
    return state.blocks.take();
  };
  const fail = (failure: UpstreamError): ChatEvent[] => {
    state.fail(failure);
    return state.blocks.take();
  };
  const adopt = (body: Fields): void => {
    readHead(state.head, asFields(body.response) ?? body);
    state.addUsage(body);
  };
  return {
    push,
    end,
    fail,
    adopt,
    get head() {
      return state.head;
    },
    get usage() {
      return state.usage;
    },
  };
}

function settle(state: StreamState, reader: PayloadReader, marked: boolean): void {
  const reason = reader.ending(state, marked);
  if (reason === undefined) state.fail(cutShort());
  else state.finish(reason);
}

/** `[DONE]` ends a stream; other texts are some relay's keep-alives, unless they were meant to be JSON. */
function unreadable(data: string, state: StreamState, reader: PayloadReader): void {
  if (data === '[DONE]') settle(state, reader, true);
  else if (data.trimStart().startsWith('{')) state.fail(notJson());
}

/** Spares the search for an error in the many payloads that cannot be one. */
function mayFail(payload: Fields, name: string): boolean {
  if (payload.error != null || name === 'error') return true;
  const type = payload.type;
  if (typeof type === 'string') return type === 'error' || type === 'response.failed' || payload.response != null;
  return payload.choices === undefined && payload.candidates === undefined;
}

/** Puts the head's texts in place; the first one of each counts. */
export function readHead(head: AnswerHead, fields: Fields): void {
  head.id ??= asText(fields.id) ?? asText(fields.responseId);
  head.model ??= asText(fields.model) ?? asText(fields.modelVersion);
  head.serviceTier ??= asText(fields.service_tier);
  head.promptCacheKey ??= asText(fields.prompt_cache_key);
}
