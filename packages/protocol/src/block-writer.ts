import type { ChatEvent, Citation, SearchPart, Seal } from './chat.ts';
import type { UpstreamError } from './errors.ts';
import { JsonProgress } from './json-progress.ts';

/** Characters of tool arguments that may wait for another call to end. */
const maxQueued = 64 * 1024;

export interface ToolStart {
  id: string;
  name: string;
  namespace?: string | undefined;
  custom?: boolean;
}

interface QueuedTool {
  start: ToolStart;
  text: string;
}

/**
 * Writes the blocks of a streamed answer so that never two are open: what decoders report as it comes is put in order here.
 * Text and reasoning open their block with their first character, so that empty blocks do not appear. Tool calls are told
 * apart by a key of the upstream's (its index); when a second one begins before the first one's arguments are whole, it
 * waits.
 */
export class BlockWriter {
  #events: ChatEvent[] = [];
  #open: 'text' | 'reasoning' | 'refusal' | 'tool' | undefined;
  #toolKey: string | number | undefined;
  #toolCustom = false;
  #toolWrote = false;
  #progress = new JsonProgress();
  readonly #queue = new Map<string | number, QueuedTool>();
  readonly #closed = new Set<string | number>();
  /** For reasoning that ends without a seal: at least its origin stays known. */
  readonly #unsealed: Seal;
  /** Some tool was called. */
  toolsSeen = false;
  /** Something of an answer was written. */
  contentSeen = false;

  constructor(unsealed: Seal) {
    this.#unsealed = unsealed;
  }

  /** What was written since the last call. */
  take(): ChatEvent[] {
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    return events;
  }

  /** For events that stand beside the blocks: `start`, `finish`, `error`. */
  write(event: ChatEvent): void {
    this.#events.push(event);
  }

  text(text: string): void {
    if (text === '') return;
    if (this.#open !== 'text') this.#enter('text', { type: 'text-start' });
    this.#events.push({ type: 'text-delta', text });
  }

  citation(citation: Citation): void {
    if (this.#open === 'text') this.#events.push({ type: 'citation', citation });
  }

  reasoning(text: string): void {
    if (text === '') return;
    if (this.#open !== 'reasoning') this.#enter('reasoning', { type: 'reasoning-start' });
    this.#events.push({ type: 'reasoning-delta', text });
  }

  refusal(text: string): void {
    if (text === '') return;
    if (this.#open !== 'refusal') this.#enter('refusal', { type: 'refusal-start' });
    this.#events.push({ type: 'refusal-delta', text });
  }

  /** Ends the open reasoning with its seal; without one open, the seal gets a block of its own. */
  seal(seal: Seal | undefined): void {
    if (this.#open !== 'reasoning') {
      if (seal === undefined) return;
      this.#enter('reasoning', { type: 'reasoning-start' });
    }
    this.#open = undefined;
    this.#events.push({ type: 'reasoning-end', seal: seal ?? this.#unsealed });
  }

  search(search: SearchPart): void {
    this.close();
    this.contentSeen = true;
    this.#events.push({ type: 'search', search });
  }

  image(mediaType: string, data: string): void {
    this.close();
    this.contentSeen = true;
    this.#events.push({ type: 'image', mediaType, data });
  }

  startTool(key: string | number, start: ToolStart): void {
    this.toolsSeen = true;
    this.contentSeen = true;
    if (this.#open === 'tool' && !this.#toolCustom && !this.#progress.complete) this.#queue.set(key, { start, text: '' });
    else this.#beginTool(key, start);
  }

  /** A piece of the arguments. False: the pieces of several calls are mixed in a way that cannot be put in order. */
  toolInput(key: string | number, text: string): boolean {
    if (text === '') return true;
    const queued = this.#queue.get(key);
    if (queued !== undefined) {
      queued.text += text;
      return queued.text.length <= maxQueued;
    }
    if (this.#open !== 'tool' || this.#toolKey !== key) return this.#closed.has(key) && text.trim() === '';
    this.#pushInput(text);
    if (this.#queue.size > 0 && this.#progress.complete) this.#endTool();
    return true;
  }

  /** The upstream says that the call's arguments are whole. */
  endTool(key: string | number): void {
    if (this.#open === 'tool' && this.#toolKey === key) this.#endTool();
  }

  /** Closes whatever is open, and writes what was waiting. */
  close(): void {
    while (this.#open !== undefined) this.#closeOne();
  }

  #closeOne(): void {
    const open = this.#open;
    if (open === 'tool') {
      this.#endTool();
      return;
    }
    this.#open = undefined;
    if (open === 'reasoning') this.#events.push({ type: 'reasoning-end', seal: this.#unsealed });
    else if (open === 'text') this.#events.push({ type: 'text-end' });
    else if (open === 'refusal') this.#events.push({ type: 'refusal-end' });
  }

  #enter(kind: 'text' | 'reasoning' | 'refusal', event: ChatEvent): void {
    this.close();
    this.contentSeen = true;
    this.#open = kind;
    this.#events.push(event);
  }

  #beginTool(key: string | number, start: ToolStart): void {
    this.close();
    this.#open = 'tool';
    this.#toolKey = key;
    this.#toolCustom = start.custom === true;
    this.#toolWrote = false;
    this.#progress = new JsonProgress();
    const { id, name, namespace } = start;
    this.#events.push({ type: 'tool-start', id, name, namespace, custom: this.#toolCustom });
  }

  #pushInput(text: string): void {
    this.#toolWrote = true;
    if (!this.#toolCustom) this.#progress.feed(text);
    this.#events.push({ type: 'tool-delta', text });
  }

  #endTool(): void {
    // A call without arguments still needs a JSON text.
    if (!this.#toolWrote && !this.#toolCustom) this.#events.push({ type: 'tool-delta', text: '{}' });
    if (this.#toolKey !== undefined) this.#closed.add(this.#toolKey);
    this.#open = undefined;
    this.#events.push({ type: 'tool-end' });
    const next = this.#queue.entries().next().value;
    if (next === undefined) return;
    const [key, { start, text }] = next;
    this.#queue.delete(key);
    this.#beginTool(key, start);
    if (text !== '') this.#pushInput(text);
    if (this.#queue.size > 0 && this.#progress.complete) this.#endTool();
  }
}

/** The failure of a stream that ended before its answer did. */
export function cutShort(): UpstreamError {
  return { status: 502, message: 'the upstream closed the stream before the answer was complete' };
}

/** The failure of a stream with an event that should be JSON and is not. */
export function notJson(): UpstreamError {
  return { status: 502, message: 'the upstream sent an event that is not JSON' };
}

/** The failure of a stream whose tool calls cannot be told apart. */
export function mixedTools(): UpstreamError {
  return { status: 502, message: 'the upstream mixed the arguments of several tool calls' };
}

/** The failure of a call that a dialect shows whole and that is more than may be kept. */
export function tooLarge(): UpstreamError {
  return { status: 502, message: 'a tool call is too large to be passed on' };
}
