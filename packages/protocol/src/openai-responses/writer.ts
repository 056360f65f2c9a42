import { tooLarge } from '../block-writer.ts';
import type { ChatEvent, Seal } from '../chat.ts';
import { assertNever } from '../chat.ts';
import type { UpstreamError } from '../errors.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext, StreamEncoder } from '../protocol.ts';
import type { SseEvent } from '../sse.ts';
import { annotation, callItem, encodeUsage, imageItem, messageItem, reasoningItem, responseObject, searchItem, textContent } from './items.ts';
import type { ResponseHead } from './items.ts';
import { answerId } from './response.ts';
import { incompleteReasonOf } from './types.ts';

/**
 * What may be kept of an answer, bytes. This dialect repeats every item as a whole when it ends, and the whole answer at
 * the end of all, so it has to be kept; beyond this, long texts are cut into several items and the oldest are no longer
 * repeated at the end.
 */
export const maxHeldBytes = 192 * 1024;

/** Longer deltas are written as several, characters: a piece must fit into what may be kept. */
const maxPiece = 32 * 1024;

type OpenItem =
  | { kind: 'none' }
  | { kind: 'text'; id: string; text: string; annotations: Fields[]; cited: number }
  | { kind: 'refusal'; id: string; text: string }
  | { kind: 'reasoning'; id: string; text: string; shown: boolean }
  | { kind: 'tool'; id: string; callId: string; name: string; namespace: string | undefined; custom: boolean; text: string };

export function encoder(context: AnswerContext): StreamEncoder {
  return new ResponsesWriter(context);
}

/** Numbers every event, names every item, and ends with one terminal event that holds the answer. */
class ResponsesWriter implements StreamEncoder {
  failure: UpstreamError | undefined;
  readonly #context: AnswerContext;
  #head: ResponseHead = { id: '', createdAt: 0, model: '' };
  #sequence = 0;
  #index = -1;
  #open: OpenItem = { kind: 'none' };
  readonly #output: { item: Fields; bytes: number }[] = [];
  #heldBytes = 0;
  #openBytes = 0;
  #refused = false;
  #over = false;
  #frames: SseEvent[] = [];

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  push(event: ChatEvent): SseEvent[] {
    this.#frames = [];
    if (!this.#over) this.#write(event);
    return this.#frames;
  }

  end(): SseEvent[] {
    return [];
  }

  #write(event: ChatEvent): void {
    switch (event.type) {
      case 'text-delta':
      case 'refusal-delta':
      case 'reasoning-delta':
      case 'tool-delta':
        this.#delta(event.text);
        break;
      case 'text-start':
      case 'refusal-start':
      case 'reasoning-start':
      case 'tool-start':
        this.#openItem(event);
        break;
      case 'text-end':
      case 'refusal-end':
      case 'tool-end':
        this.#closeItem(undefined);
        break;
      case 'reasoning-end':
        this.#closeItem(event.seal);
        break;
      case 'start':
        this.#start(event);
        break;
      case 'citation':
        this.#citation(event);
        break;
      case 'search':
        this.#search(event);
        break;
      case 'image':
        this.#image(event);
        break;
      case 'finish':
        this.#finish(event);
        break;
      case 'error':
        this.#fail(event.failure);
        break;
      default:
        assertNever(event);
    }
  }

  #start(event: Extract<ChatEvent, { type: 'start' }>): void {
    const context = this.#context;
    this.#head = { id: answerId(event.id, context), createdAt: event.created ?? context.now, model: event.model ?? context.model };
    const response = responseObject(this.#head, { status: 'in_progress', output: [] });
    this.#event('response.created', { response });
    this.#event('response.in_progress', { response });
  }

  #openItem(event: Extract<ChatEvent, { type: 'text-start' | 'refusal-start' | 'reasoning-start' | 'tool-start' }>): void {
    const { id } = this.#context;
    this.#index += 1;
    this.#openBytes = 0;
    switch (event.type) {
      case 'text-start':
        this.#open = { kind: 'text', id: id('msg_'), text: '', annotations: [], cited: 0 };
        this.#added(messageItem(this.#open.id, [], 'in_progress'));
        this.#partEvent('added', textContent('', []));
        break;
      case 'refusal-start':
        this.#refused = true;
        this.#open = { kind: 'refusal', id: id('msg_'), text: '' };
        this.#added(messageItem(this.#open.id, [], 'in_progress'));
        this.#partEvent('added', { type: 'refusal', refusal: '' });
        break;
      case 'reasoning-start':
        this.#open = { kind: 'reasoning', id: id('rs_'), text: '', shown: false };
        this.#added(reasoningItem(this.#open.id, '', undefined));
        break;
      case 'tool-start': {
        const { id: callId, name, namespace, custom } = event;
        this.#open = { kind: 'tool', id: id(custom ? 'ctc_' : 'fc_'), callId, name, namespace, custom, text: '' };
        this.#added(callItem({ ...this.#open, input: '', status: 'in_progress' }));
        break;
      }
    }
  }

  #delta(text: string): void {
    if (text.length > maxPiece) {
      const cut = isHighSurrogate(text.charCodeAt(maxPiece - 1)) ? maxPiece - 1 : maxPiece;
      this.#delta(text.slice(0, cut));
      this.#delta(text.slice(cut));
      return;
    }
    this.#makeRoom(byteLength(text));
    const open = this.#open;
    if (this.#over || open.kind === 'none') return;
    open.text += text;
    this.#openBytes += byteLength(text);
    this.#heldBytes += byteLength(text);
    if (open.kind === 'reasoning' && !open.shown) {
      open.shown = true;
      this.#summaryEvent('response.reasoning_summary_part.added', { part: { type: 'summary_text', text: '' } });
    }
    // Written by hand: these are nearly all events of a stream.
    const { type, place } = deltaOf(open);
    const data = `{"type":"${type}","sequence_number":${this.#sequence},"item_id":"${open.id}","output_index":${this.#index},${place}"delta":${JSON.stringify(text)}}`;
    this.#sequence += 1;
    this.#frames.push({ event: type, data });
  }

  /** Keeps within the bound: forgets the oldest whole items, then cuts the open one in two, if it is a text. */
  #makeRoom(bytes: number): void {
    while (this.#heldBytes + bytes > maxHeldBytes && this.#output.length > 0) {
      this.#heldBytes -= this.#output.shift()?.bytes ?? 0;
      this.#context.drops.add('answer-long', 'output');
    }
    if (this.#heldBytes + bytes <= maxHeldBytes) return;
    const { kind } = this.#open;
    if (kind === 'tool') {
      this.failure = tooLarge();
      this.#fail(this.failure);
      return;
    }
    if (kind === 'none') return;
    this.#closeItem(undefined);
    this.#openItem({ type: `${kind}-start` });
    this.#makeRoom(bytes);
  }

  #closeItem(seal: Seal | undefined): void {
    const open = this.#open;
    this.#open = { kind: 'none' };
    switch (open.kind) {
      case 'text': {
        this.#itemEvent(open.id, 'response.output_text.done', { content_index: 0, text: open.text, logprobs: [] });
        const part = textContent(open.text, open.annotations);
        this.#itemEvent(open.id, 'response.content_part.done', { content_index: 0, part });
        this.#done(messageItem(open.id, [part]));
        break;
      }
      case 'refusal': {
        const part = { type: 'refusal', refusal: open.text };
        this.#itemEvent(open.id, 'response.refusal.done', { content_index: 0, refusal: open.text });
        this.#itemEvent(open.id, 'response.content_part.done', { content_index: 0, part });
        this.#done(messageItem(open.id, [part]));
        break;
      }
      case 'reasoning':
        if (open.shown) {
          this.#itemEvent(open.id, 'response.reasoning_summary_text.done', { summary_index: 0, text: open.text });
          this.#itemEvent(open.id, 'response.reasoning_summary_part.done', { summary_index: 0, part: { type: 'summary_text', text: open.text } });
        }
        this.#done(reasoningItem(open.id, open.text, seal));
        break;
      case 'tool':
        if (open.custom) this.#itemEvent(open.id, 'response.custom_tool_call_input.done', { input: open.text });
        else this.#itemEvent(open.id, 'response.function_call_arguments.done', { name: open.name, arguments: open.text });
        this.#done(callItem({ ...open, input: open.text, status: 'completed' }));
        break;
      case 'none':
        break;
    }
  }

  #citation(event: Extract<ChatEvent, { type: 'citation' }>): void {
    const open = this.#open;
    if (open.kind !== 'text') return;
    const cited = annotation(event.citation, open.cited, open.text.length);
    open.cited = open.text.length;
    open.annotations.push(cited);
    const place = { content_index: 0, annotation_index: open.annotations.length - 1 };
    this.#itemEvent(open.id, 'response.output_text.annotation.added', { ...place, annotation: cited });
  }

  #search(event: Extract<ChatEvent, { type: 'search' }>): void {
    const id = this.#context.id('ws_');
    this.#index += 1;
    this.#openBytes = 0;
    this.#added(searchItem(id, event.search, 'in_progress'));
    for (const state of ['in_progress', 'searching', 'completed']) this.#itemEvent(id, `response.web_search_call.${state}`, {});
    this.#done(searchItem(id, event.search));
  }

  #image(event: Extract<ChatEvent, { type: 'image' }>): void {
    const id = this.#context.id('ig_');
    const item = imageItem(id, event.data);
    this.#index += 1;
    this.#openBytes = event.data.length;
    this.#added({ ...item, status: 'in_progress', result: null });
    this.#makeRoom(this.#openBytes);
    if (this.#heldBytes + this.#openBytes <= maxHeldBytes) {
      this.#heldBytes += this.#openBytes;
      this.#done(item);
      return;
    }
    this.#context.drops.add('answer-long', 'output');
    this.#event('response.output_item.done', { output_index: this.#index, item });
  }

  #finish(event: Extract<ChatEvent, { type: 'finish' }>): void {
    this.#over = true;
    if (event.reason === 'pause') this.#context.drops.add('answer-pause', 'status');
    const incomplete = incompleteReasonOf(event.reason, this.#refused);
    const status = incomplete === undefined ? 'completed' : 'incomplete';
    const output = this.#output.map(({ item }) => item);
    this.#event(`response.${status}`, {
      response: responseObject(this.#head, { status, incomplete, output, usage: encodeUsage(event.usage) }),
    });
  }

  #fail(failure: UpstreamError): void {
    this.#over = true;
    // Clients tell what to repeat by the code; of OpenAI's closed list these two fit.
    const code = failure.status === 429 || failure.status === 402 ? 'rate_limit_exceeded' : 'server_error';
    const error = { code, message: failure.message };
    this.#event('response.failed', { response: responseObject(this.#head, { status: 'failed', output: [], error }) });
  }

  #added(item: Fields): void {
    this.#event('response.output_item.added', { output_index: this.#index, item });
  }

  #done(item: Fields): void {
    this.#output.push({ item, bytes: this.#openBytes });
    this.#event('response.output_item.done', { output_index: this.#index, item });
  }

  #partEvent(step: 'added', part: Fields): void {
    if (this.#open.kind !== 'none') this.#itemEvent(this.#open.id, `response.content_part.${step}`, { content_index: 0, part });
  }

  #summaryEvent(type: string, fields: Fields): void {
    if (this.#open.kind !== 'none') this.#itemEvent(this.#open.id, type, { summary_index: 0, ...fields });
  }

  #itemEvent(id: string, type: string, fields: Fields): void {
    this.#event(type, { item_id: id, output_index: this.#index, ...fields });
  }

  #event(type: string, fields: Fields): void {
    this.#frames.push({ event: type, data: JSON.stringify({ type, sequence_number: this.#sequence, ...fields }) });
    this.#sequence += 1;
  }
}

function deltaOf(open: Exclude<OpenItem, { kind: 'none' }>): { type: string; place: string } {
  switch (open.kind) {
    case 'text':
      return { type: 'response.output_text.delta', place: '"content_index":0,"logprobs":[],' };
    case 'refusal':
      return { type: 'response.refusal.delta', place: '"content_index":0,' };
    case 'reasoning':
      return { type: 'response.reasoning_summary_text.delta', place: '"summary_index":0,' };
    case 'tool':
      return { type: open.custom ? 'response.custom_tool_call_input.delta' : 'response.function_call_arguments.delta', place: '' };
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** Bytes that a string takes in memory: the engine keeps one byte a character until the first above U+00FF. */
function byteLength(text: string): number {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 255) return text.length * 2;
  return text.length;
}
