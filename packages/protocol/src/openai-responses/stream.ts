import type { FinishReason } from '../chat.ts';
import { mixedTools } from '../block-writer.ts';
import type { DropLog } from '../drops.ts';
import { asNumber, asString, objectsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext, StreamDecoder } from '../protocol.ts';
import { readHead, streamDecoder } from '../stream-state.ts';
import type { PayloadReader, StreamState } from '../stream-state.ts';
import { decodeCall, decodeReasoning } from './blocks.ts';
import { decodeOutputItem } from './response.ts';
import { finishOf } from './types.ts';

export { encoder } from './writer.ts';

export function decoder(context: AnswerContext): StreamDecoder {
  return streamDecoder('openai-responses', new ResponsesReader(context.drops));
}

/** An output item that is being streamed. */
interface StreamedItem {
  /** The content part that is being written, and the characters of it and of those before it. */
  part: number;
  written: number;
  before: number;
  /** The call has been begun. */
  started: boolean;
  summaries: number;
}

/**
 * Reads items by their `output_index`. Everything is said up to three times (deltas, done, the whole item, the whole
 * response), and relays leave out some of them; what was not said before is taken from the next.
 */
class ResponsesReader implements PayloadReader {
  readonly #drops: DropLog;
  readonly #items = new Map<number, StreamedItem>();
  readonly #done = new Set<number>();
  #refused = false;

  constructor(drops: DropLog) {
    this.#drops = drops;
  }

  read(payload: Fields, state: StreamState): void {
    switch (payload.type) {
      case 'response.output_text.delta':
      case 'response.refusal.delta':
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        this.#delta(payload.type, payload, asString(payload.delta) ?? '', state);
        break;
      case 'response.output_text.done':
      case 'response.refusal.done':
      case 'response.function_call_arguments.done':
      case 'response.custom_tool_call_input.done':
        this.#rest(payload.type, payload, state);
        break;
      case 'response.reasoning_summary_part.added':
        this.#summaryPart(payload, state);
        break;
      case 'response.output_item.added':
        this.#added(asFields(payload.item) ?? {}, indexOf(payload), state);
        break;
      case 'response.output_item.done':
        this.#itemDone(asFields(payload.item) ?? {}, indexOf(payload), state);
        break;
      case 'response.output_text.annotation.added':
        this.#annotation(asFields(payload.annotation) ?? {}, state);
        break;
      default:
        this.#lifecycle(payload, state);
    }
  }

  ending(): FinishReason | undefined {
    return undefined;
  }

  #lifecycle(payload: Fields, state: StreamState): void {
    const response = asFields(payload.response);
    if (response === undefined) return;
    readHead(state.head, response);
    state.start(asNumber(response.created_at));
    if (payload.type !== 'response.completed' && payload.type !== 'response.incomplete') return;
    state.addUsage(payload);
    const nothingSaid = !state.blocks.contentSeen;
    for (const [index, item] of objectsOf(response.output).entries()) {
      if (!this.#done.has(index) && (nothingSaid || this.#items.has(index))) this.#itemDone(item, index, state);
    }
    const finish = finishOf(response);
    state.finish(finish === 'stop' && this.#refused ? 'refusal' : finish);
  }

  #itemOf(index: number): StreamedItem {
    let item = this.#items.get(index);
    if (item === undefined) {
      item = { part: 0, written: 0, before: 0, started: false, summaries: 0 };
      this.#items.set(index, item);
    }
    return item;
  }

  #added(item: Fields, index: number, state: StreamState): void {
    state.start(undefined);
    const known = this.#itemOf(index);
    if (item.type === 'function_call' || item.type === 'custom_tool_call') {
      this.#startCall(item, index, known, state);
      const input = asText(item.type === 'function_call' ? item.arguments : item.input);
      if (input !== undefined) this.#write('input', index, input, state);
    }
  }

  #startCall(item: Fields, index: number, known: StreamedItem, { blocks }: StreamState): void {
    if (known.started) return;
    known.started = true;
    const { id, name, namespace, custom = false } = decodeCall(item, item.type === 'custom_tool_call');
    blocks.startTool(index, { id, name, namespace, custom });
  }

  #delta(type: string, payload: Fields, delta: string, state: StreamState): void {
    state.start(undefined);
    this.#enterPart(payload);
    this.#write(kindOf(type), indexOf(payload), delta, state);
  }

  #enterPart(payload: Fields): void {
    const part = asNumber(payload.content_index);
    const item = this.#itemOf(indexOf(payload));
    if (part === undefined || part === item.part) return;
    item.part = part;
    item.before += item.written;
    item.written = 0;
  }

  /** What a `done` event or item says beyond its deltas. */
  #rest(type: string, payload: Fields, state: StreamState): void {
    this.#enterPart(payload);
    const kind = kindOf(type);
    const whole = asString(kind === 'text' ? payload.text : kind === 'refusal' ? payload.refusal : (payload.arguments ?? payload.input));
    if (whole !== undefined) this.#writeRest(kind, indexOf(payload), whole, state);
  }

  #writeRest(kind: Kind, index: number, whole: string, state: StreamState): void {
    const { written } = this.#itemOf(index);
    if (whole.length > written) this.#write(kind, index, whole.slice(written), state);
  }

  #write(kind: Kind, index: number, text: string, state: StreamState): void {
    const item = this.#itemOf(index);
    if (kind === 'input') {
      // Arguments of a call whose name is not known yet come again with the whole item.
      if (!item.started) return;
      if (!state.blocks.toolInput(index, text)) state.fail(mixedTools());
    } else if (kind === 'text') state.blocks.text(text);
    else if (kind === 'reasoning') state.blocks.reasoning(text);
    else {
      this.#refused = true;
      state.blocks.refusal(text);
    }
    item.written += text.length;
  }

  /** Summaries are paragraphs of their own. */
  #summaryPart(payload: Fields, { blocks }: StreamState): void {
    const item = this.#itemOf(indexOf(payload));
    item.summaries += 1;
    if (item.summaries > 1 && item.written > 0) {
      blocks.reasoning('\n\n');
      item.written += 2;
    }
  }

  #annotation(annotation: Fields, { blocks }: StreamState): void {
    const url = annotation.type === 'url_citation' ? asText(annotation.url) : undefined;
    if (url === undefined) this.#drops.add('citations', 'annotations');
    else blocks.citation({ url, title: asString(annotation.title) ?? '' });
  }

  #itemDone(item: Fields, index: number, state: StreamState): void {
    state.start(undefined);
    const { blocks } = state;
    this.#done.add(index);
    if (item.type === 'function_call' || item.type === 'custom_tool_call') {
      this.#startCall(item, index, this.#itemOf(index), state);
      this.#writeRest('input', index, asString(item.type === 'function_call' ? item.arguments : item.input) ?? '', state);
      blocks.endTool(index);
    } else if (item.type === 'reasoning') {
      const { text, seal } = decodeReasoning(item);
      const streamed = this.#itemOf(index);
      if (streamed.before + streamed.written === 0) this.#write('reasoning', index, text, state);
      if (text !== '' || streamed.before + streamed.written > 0 || seal?.data !== '') blocks.seal(seal);
    } else this.#otherDone(item, index, state);
    this.#items.delete(index);
  }

  #otherDone(item: Fields, index: number, state: StreamState): void {
    const { blocks } = state;
    const streamed = this.#itemOf(index);
    let seen = streamed.before + streamed.written;
    for (const part of decodeOutputItem(item, `output[${index}]`, this.#drops)) {
      if (part.type === 'text' || part.type === 'refusal') {
        this.#write(part.type, index, part.text.slice(Math.max(seen, 0)), state);
        seen -= part.text.length;
      } else if (part.type === 'search') blocks.search(part);
      else if (part.type === 'image' && part.source.kind === 'base64') blocks.image(part.source.mediaType, part.source.data);
    }
  }
}

type Kind = 'text' | 'refusal' | 'reasoning' | 'input';

function kindOf(type: string): Kind {
  if (type.startsWith('response.output_text')) return 'text';
  if (type.startsWith('response.refusal')) return 'refusal';
  return type.startsWith('response.reasoning') ? 'reasoning' : 'input';
}

function indexOf(payload: Fields): number {
  return asNumber(payload.output_index) ?? 0;
}
