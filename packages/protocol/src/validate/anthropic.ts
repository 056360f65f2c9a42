import { asArray, asFields } from '../json.ts';
import type { Fields } from '../json.ts';
import type { SseEvent } from '../sse.ts';
import { Report, isCount, isObjectText, isText } from './report.ts';

const stopReasons = new Set([
  'end_turn',
  'max_tokens',
  'stop_sequence',
  'tool_use',
  'pause_turn',
  'compaction',
  'refusal',
  'model_context_window_exceeded',
]);

/** Which deltas a kind of block may have; kinds that are not here come whole in their start. */
const deltasOf: Record<string, readonly string[]> = {
  text: ['text_delta', 'citations_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  tool_use: ['input_json_delta'],
  server_tool_use: ['input_json_delta'],
  mcp_tool_use: ['input_json_delta'],
  compaction: ['compaction_delta'],
};

/** The one stream as far as it was read. */
class MessageStream {
  readonly report = new Report();
  #started = false;
  #stopReason: string | undefined;
  #blocks = 0;
  #toolUses = 0;
  #open: { type: string; json: string } | undefined;

  read(event: SseEvent): void {
    this.report.next(event.event);
    const payload = this.report.payload(event);
    if (payload === undefined) return;
    this.report.expect(event.event === payload.type, `event is named ${event.event}, its type is ${String(payload.type)}`);
    if (payload.type === 'ping') return;
    if (payload.type === 'error') {
      this.report.expect(isText(asFields(payload.error)?.message), 'error without message');
      this.report.terminal('error');
      return;
    }
    if (payload.type === 'message_start') this.#start(payload);
    else if (this.report.expect(this.#started, `${String(payload.type)} before message_start`)) this.#continue(payload);
  }

  #continue(payload: Fields): void {
    switch (payload.type) {
      case 'content_block_start':
        this.#startBlock(payload);
        break;
      case 'content_block_delta':
        this.#delta(payload);
        break;
      case 'content_block_stop':
        this.#stopBlock(payload);
        break;
      case 'message_delta':
        this.#messageDelta(payload);
        break;
      case 'message_stop':
        this.report.expect(this.#stopReason !== undefined, 'message_stop without a stop reason before');
        this.report.terminal('message_stop');
        break;
      default:
        this.report.add(`unknown type ${String(payload.type)}`);
    }
  }

  #start(payload: Fields): void {
    this.report.expect(!this.#started, 'second message_start');
    this.#started = true;
    const message = asFields(payload.message) ?? {};
    this.report.expect(isText(message.id) && isText(message.model), 'message without id or model');
    this.report.expect(message.type === 'message' && message.role === 'assistant', 'message of another type or role');
    this.report.expect(asArray(message.content)?.length === 0, 'message_start must have empty content');
    this.report.expect(message.stop_reason === null && message.stop_sequence === null, 'message_start with a stop reason');
    const usage = asFields(message.usage) ?? {};
    this.report.expect(isCount(usage.input_tokens) && isCount(usage.output_tokens), 'message_start without usage');
  }

  #startBlock(payload: Fields): void {
    this.report.expect(this.#open === undefined, 'block starts while another is open');
    this.report.expect(this.#stopReason === undefined, 'block starts after the stop reason');
    this.report.expect(payload.index === this.#blocks, `block index ${String(payload.index)}, expected ${this.#blocks}`);
    this.#blocks += 1;
    const block = asFields(payload.content_block) ?? {};
    const type = isText(block.type) ? block.type : '';
    this.report.expect(type !== '', 'block without type');
    if (type === 'text') this.report.expect(typeof block.text === 'string', 'text block without text');
    if (type === 'thinking') this.report.expect(typeof block.thinking === 'string', 'thinking block without thinking');
    if (type.endsWith('tool_use')) {
      this.#toolUses += type === 'tool_use' ? 1 : 0;
      this.report.expect(isText(block.id) && isText(block.name), 'tool_use without id or name');
      this.report.expect(asFields(block.input) !== undefined, 'tool_use without input object');
    }
    this.#open = { type, json: '' };
  }

  #delta(payload: Fields): void {
    if (!this.#isOpen(payload)) return;
    const delta = asFields(payload.delta) ?? {};
    const type = this.#open?.type ?? '';
    const allowed = deltasOf[type] ?? [];
    this.report.expect(allowed.includes(String(delta.type)), `${String(delta.type)} in a ${type} block`);
    if (delta.type === 'text_delta') this.report.expect(typeof delta.text === 'string', 'text_delta without text');
    if (delta.type === 'thinking_delta') this.report.expect(typeof delta.thinking === 'string', 'thinking_delta without thinking');
    if (delta.type === 'signature_delta') this.report.expect(typeof delta.signature === 'string', 'signature_delta without signature');
    if (delta.type !== 'input_json_delta') return;
    this.report.expect(typeof delta.partial_json === 'string', 'input_json_delta without partial_json');
    if (this.#open !== undefined) this.#open.json += String(delta.partial_json);
  }

  #stopBlock(payload: Fields): void {
    if (!this.#isOpen(payload)) return;
    const json = this.#open?.json ?? '';
    this.report.expect(json === '' || isObjectText(json), `tool input is not a JSON object: ${json.slice(0, 80)}`);
    this.#open = undefined;
  }

  #isOpen(payload: Fields): boolean {
    const type = String(payload.type);
    if (!this.report.expect(this.#open !== undefined, `${type} without an open block`)) return false;
    return this.report.expect(payload.index === this.#blocks - 1, `${type} of block ${String(payload.index)}, open is ${this.#blocks - 1}`);
  }

  #messageDelta(payload: Fields): void {
    this.report.expect(this.#open === undefined, 'message_delta while a block is open');
    const reason = asFields(payload.delta)?.stop_reason;
    this.report.expect(isText(reason) && stopReasons.has(reason), `unknown stop reason ${String(reason)}`);
    this.report.expect(this.#stopReason === undefined || this.#stopReason === reason, 'second stop reason');
    this.#stopReason = String(reason);
    if (reason === 'tool_use') this.report.expect(this.#toolUses > 0, 'stop reason tool_use without a tool_use block');
    if (reason === 'end_turn') this.report.expect(this.#toolUses === 0, 'stop reason end_turn after a tool_use block');
    this.report.expect(isCount(asFields(payload.usage)?.output_tokens), 'message_delta without output tokens');
  }
}

/** Anthropic's stream: message_start, blocks one after the other, message_delta with the stop reason, message_stop. */
export function validateAnthropic(events: readonly SseEvent[]): string[] {
  const stream = new MessageStream();
  for (const event of events) stream.read(event);
  return stream.report.finish();
}
