import { asArray, asFields } from '../json.ts';
import type { Fields } from '../json.ts';
import type { SseEvent } from '../sse.ts';
import { Report, isCount, isObjectText, isText } from './report.ts';

/** An item between its `added` and its `done`. */
interface Item {
  id: string;
  type: string;
  done: boolean;
  /** Text so far of each part (by index), or of the arguments (under -1). */
  texts: Map<number, string>;
  openPart: number | undefined;
  parts: number;
  /** The whole text that a `….done` event gave for the arguments. */
  arguments: string | undefined;
}

/** The kind of item that an event is about, by the start of its type. */
const itemTypes: readonly (readonly [prefix: string, type: string])[] = [
  ['response.output_text.', 'message'],
  ['response.refusal.', 'message'],
  ['response.function_call_arguments.', 'function_call'],
  ['response.custom_tool_call_input.', 'custom_tool_call'],
  ['response.reasoning_summary_part.', 'reasoning'],
  ['response.reasoning_summary_text.', 'reasoning'],
  ['response.reasoning_text.', 'reasoning'],
  ['response.web_search_call.', 'web_search_call'],
  ['response.image_generation_call.', 'image_generation_call'],
  ['response.code_interpreter_call', 'code_interpreter_call'],
  ['response.mcp_call', 'mcp_call'],
];

const terminals = new Set(['response.completed', 'response.incomplete', 'response.failed']);

class ResponseStream {
  readonly report = new Report();
  readonly #items: Item[] = [];
  #id: unknown;
  #sequence = 0;

  read(event: SseEvent): void {
    this.report.next(event.event);
    const payload = this.report.payload(event);
    if (payload === undefined) return;
    const type = String(payload.type);
    this.report.expect(event.event === type, `event is named ${event.event}, its type is ${type}`);
    this.report.expect(payload.sequence_number === this.#sequence, `sequence number ${String(payload.sequence_number)}, expected ${this.#sequence}`);
    this.#sequence += 1;
    if (type === 'error') {
      this.report.expect(isText(payload.message), 'error without message');
      this.report.terminal('error');
      return;
    }
    if (this.#id === undefined) {
      this.report.expect(type === 'response.created', `${type} before response.created`);
      this.#lifecycle(type, payload);
    } else if (payload.response !== undefined) this.#lifecycle(type, payload);
    else if (type === 'response.output_item.added') this.#addItem(payload);
    else if (type === 'response.output_item.done') this.#finishItem(payload);
    else this.#withinItem(type, payload);
  }

  #lifecycle(type: string, payload: Fields): void {
    const response = asFields(payload.response) ?? {};
    this.report.expect(isText(response.id), 'response without id');
    this.report.expect(response.object === 'response', `object is ${String(response.object)}`);
    if (this.#id !== undefined) {
      this.report.expect(response.id === this.#id, 'response id changes within the stream');
      this.report.expect(type !== 'response.created', 'second response.created');
    }
    this.#id ??= response.id ?? '';
    if (!terminals.has(type)) {
      this.report.expect(this.#items.length === 0, `${type} after an item`);
      this.report.expect(response.status === 'in_progress' || response.status === 'queued', `${type} with status ${String(response.status)}`);
      return;
    }
    this.report.terminal(type);
    this.report.expect(`response.${String(response.status)}` === type, `${type} with status ${String(response.status)}`);
    if (type === 'response.failed') this.report.expect(isText(asFields(response.error)?.message), 'failed without an error message');
    else this.#checkOutput(type, response);
  }

  #checkOutput(type: string, response: Fields): void {
    for (const item of this.#items) this.report.expect(item.done, `${type} while item ${item.id} is not done`);
    const ids = (asArray(response.output) ?? []).map((item) => asFields(item)?.id);
    const seen = this.#items.map((item) => item.id);
    this.report.expect(JSON.stringify(ids) === JSON.stringify(seen), `output has the items ${ids.join()}, the stream had ${seen.join()}`);
    const usage = asFields(response.usage);
    if (!this.report.expect(usage !== undefined, `${type} without usage`) || usage === undefined) return;
    const { input_tokens: input, output_tokens: output, total_tokens: total } = usage;
    this.report.expect(isCount(input) && isCount(output) && input + output === total, 'usage does not add up');
    this.report.expect(isCount(asFields(usage.input_tokens_details)?.cached_tokens), 'usage without cached tokens');
    this.report.expect(isCount(asFields(usage.output_tokens_details)?.reasoning_tokens), 'usage without reasoning tokens');
  }

  #addItem(payload: Fields): void {
    const fields = asFields(payload.item) ?? {};
    const index = this.#items.length;
    this.report.expect(payload.output_index === index, `output index ${String(payload.output_index)}, expected ${index}`);
    this.report.expect(isText(fields.id) && isText(fields.type), 'item without id or type');
    this.report.expect(!this.#items.some((item) => item.id === fields.id), `item ${String(fields.id)} is added twice`);
    if (fields.type === 'message') {
      this.report.expect(fields.role === 'assistant' && asArray(fields.content)?.length === 0, 'message must start empty, role assistant');
    }
    if (fields.type === 'function_call' || fields.type === 'custom_tool_call') {
      this.report.expect(isText(fields.call_id) && isText(fields.name), 'tool call without call_id or name');
    }
    if (fields.type === 'reasoning') this.report.expect(Array.isArray(fields.summary), 'reasoning without summary');
    this.#items.push({
      id: String(fields.id),
      type: String(fields.type),
      done: false,
      texts: new Map(),
      openPart: undefined,
      parts: 0,
      arguments: undefined,
    });
  }

  #finishItem(payload: Fields): void {
    const fields = asFields(payload.item) ?? {};
    const item = this.#itemOf(payload, fields.id);
    if (item === undefined) return;
    this.report.expect(item.type === fields.type, `item ${item.id} changes its type`);
    this.report.expect(item.openPart === undefined, `item ${item.id} is done while a part is open`);
    item.done = true;
    if (item.type === 'function_call') {
      const text = String(fields.arguments);
      this.report.expect(isObjectText(text), `arguments are not a JSON object: ${text.slice(0, 80)}`);
      this.report.expect(item.arguments === text, 'arguments differ from those of function_call_arguments.done');
    }
    if (item.type === 'custom_tool_call') this.report.expect(item.arguments === fields.input, 'input differs from custom_tool_call_input.done');
    if (item.type !== 'message') return;
    const content = (asArray(fields.content) ?? []).map((part) => asFields(part)?.text ?? asFields(part)?.refusal);
    this.report.expect(content.length === item.parts, 'message is done with another number of parts');
    for (const [index, text] of item.texts) this.report.expect(content[index] === text, `part ${index} differs from its deltas`);
  }

  /** The open item that the event is about. */
  #itemOf(payload: Fields, id: unknown): Item | undefined {
    const item = isCount(payload.output_index) ? this.#items[payload.output_index] : undefined;
    if (item === undefined) {
      this.report.add(`no item at output index ${String(payload.output_index)}`);
      return undefined;
    }
    this.report.expect(item.id === id, `item id ${String(id)}, expected ${item.id}`);
    this.report.expect(!item.done, `item ${item.id} is already done`);
    return item;
  }

  #withinItem(type: string, payload: Fields): void {
    const item = this.#itemOf(payload, payload.item_id);
    if (item === undefined) return;
    const expected = itemTypes.find(([prefix]) => type.startsWith(prefix))?.[1];
    if (expected !== undefined) this.report.expect(item.type === expected, `${type} in an item of type ${item.type}`);
    if (type.endsWith('part.added')) this.#addPart(item, payload);
    else if (type.endsWith('part.done')) this.#finishPart(item, payload);
    else if (type.endsWith('.delta')) this.#delta(item, type, payload);
    else if (type.endsWith('.done')) this.#finishText(item, type, payload);
  }

  #addPart(item: Item, payload: Fields): void {
    const index = payload.content_index ?? payload.summary_index;
    this.report.expect(item.openPart === undefined, 'part is added while another is open');
    this.report.expect(index === item.parts, `part index ${String(index)}, expected ${item.parts}`);
    this.report.expect(asFields(payload.part) !== undefined, 'part without content');
    item.openPart = item.parts;
    item.texts.set(item.parts, '');
    item.parts += 1;
  }

  #finishPart(item: Item, payload: Fields): void {
    const index = payload.content_index ?? payload.summary_index;
    this.report.expect(index === item.openPart, `part ${String(index)} is done, open is ${String(item.openPart)}`);
    const part = asFields(payload.part) ?? {};
    const text = part.text ?? part.refusal;
    this.report.expect(item.texts.get(Number(index)) === text, 'part differs from its deltas');
    item.openPart = undefined;
  }

  /** Index under which the texts of an event's kind are collected: its part's, or -1 for arguments. */
  #textIndex(item: Item, type: string, payload: Fields): number {
    const index = payload.content_index ?? payload.summary_index;
    if (index === undefined) return -1;
    this.report.expect(index === item.openPart, `${type} for part ${String(index)}, open is ${String(item.openPart)}`);
    return Number(index);
  }

  #delta(item: Item, type: string, payload: Fields): void {
    this.report.expect(typeof payload.delta === 'string', 'delta is no text');
    const index = this.#textIndex(item, type, payload);
    item.texts.set(index, (item.texts.get(index) ?? '') + String(payload.delta));
  }

  #finishText(item: Item, type: string, payload: Fields): void {
    const index = this.#textIndex(item, type, payload);
    const text = payload.text ?? payload.refusal ?? payload.arguments ?? payload.input ?? payload.code;
    this.report.expect(typeof text === 'string', `${type} without its text`);
    this.report.expect((item.texts.get(index) ?? '') === text, `${type} differs from its deltas`);
    if (index === -1) {
      item.arguments = String(text);
      item.texts.delete(-1);
    }
  }
}

/** Responses' stream: created, items with their parts and deltas, completed, incomplete or failed; numbered from 0. */
export function validateOpenaiResponses(events: readonly SseEvent[]): string[] {
  const stream = new ResponseStream();
  for (const event of events) stream.read(event);
  return stream.report.finish();
}
