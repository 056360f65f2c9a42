import { asArray, asFields } from '../json.ts';
import type { Fields } from '../json.ts';
import type { SseEvent } from '../sse.ts';
import { Report, isCount, isObjectText, isText } from './report.ts';

const finishReasons = new Set(['stop', 'length', 'tool_calls', 'content_filter', 'function_call']);

interface ToolCall {
  custom: boolean;
  input: string;
}

interface Choice {
  started: boolean;
  finish: string | undefined;
  toolCalls: ToolCall[];
}

class ChunkStream {
  readonly report = new Report();
  readonly #choices = new Map<number, Choice>();
  #id: unknown;
  #usageSeen = false;

  read(event: SseEvent): void {
    if (event.data === '[DONE]') {
      this.report.next('[DONE]');
      this.#done();
      return;
    }
    this.report.next('chunk');
    this.report.expect(event.event === '' || event.event === 'message', `chunk has the event type ${event.event}`);
    const chunk = this.report.payload(event);
    if (chunk === undefined) return;
    if (chunk.error != null) {
      this.report.expect(isText(asFields(chunk.error)?.message), 'error without message');
      this.report.terminal('error');
      return;
    }
    this.#head(chunk);
    const choices = asArray(chunk.choices);
    if (!this.report.expect(choices !== undefined, 'chunk without choices')) return;
    this.report.expect(!this.#usageSeen, 'chunk after the one with usage');
    for (const choice of choices ?? []) this.#choice(asFields(choice) ?? {});
    if (chunk.usage != null) this.#usage(chunk.usage, choices?.length ?? 0);
  }

  #head(chunk: Fields): void {
    this.report.expect(chunk.object === 'chat.completion.chunk', `object is ${String(chunk.object)}`);
    this.report.expect(isText(chunk.id) && isText(chunk.model) && isCount(chunk.created), 'chunk without id, model or created');
    this.report.expect(this.#id === undefined || this.#id === chunk.id, 'id changes within the stream');
    this.#id ??= chunk.id;
  }

  #choice(fields: Fields): void {
    if (!this.report.expect(isCount(fields.index), 'choice without index')) return;
    const index = Number(fields.index);
    const choice = this.#choices.get(index) ?? { started: false, finish: undefined, toolCalls: [] };
    this.#choices.set(index, choice);
    const delta = asFields(fields.delta);
    if (!this.report.expect(delta !== undefined, 'choice without delta') || delta === undefined) return;
    if (choice.started) this.report.expect(delta.role == null, 'role is repeated');
    else this.report.expect(delta.role === 'assistant', 'first delta without role assistant');
    choice.started = true;
    const says = Object.keys(delta).some((key) => key !== 'role' && delta[key] != null && delta[key] !== '');
    if (says) this.report.expect(choice.finish === undefined, 'delta after the finish reason');
    for (const call of asArray(delta.tool_calls) ?? []) this.#toolCall(choice, asFields(call) ?? {});
    if (fields.finish_reason != null) this.#finish(choice, fields.finish_reason);
    else this.report.expect(fields.finish_reason === null, 'choice without finish_reason (null until the last)');
  }

  #toolCall(choice: Choice, fields: Fields): void {
    const index = fields.index;
    if (!this.report.expect(isCount(index) && index <= choice.toolCalls.length, `tool call index ${String(index)}`)) return;
    const custom = fields.type === 'custom';
    const inner = asFields(fields.function) ?? asFields(fields.custom) ?? {};
    let call = choice.toolCalls[Number(index)];
    if (call === undefined) {
      this.report.expect(isText(fields.id) && isText(inner.name), 'tool call starts without id or name');
      this.report.expect(custom || fields.type === 'function', `tool call of type ${String(fields.type)}`);
      call = { custom, input: '' };
      choice.toolCalls.push(call);
    } else {
      this.report.expect(Number(index) === choice.toolCalls.length - 1, 'tool call goes on after the next has started');
      this.report.expect(inner.name == null || inner.name === '', 'tool call is named twice');
    }
    const piece = call.custom ? inner.input : inner.arguments;
    this.report.expect(piece === undefined || typeof piece === 'string', 'tool call arguments are no text');
    call.input += typeof piece === 'string' ? piece : '';
  }

  #finish(choice: Choice, reason: unknown): void {
    this.report.expect(choice.finish === undefined, 'second finish reason');
    this.report.expect(isText(reason) && finishReasons.has(reason), `unknown finish reason ${String(reason)}`);
    choice.finish = String(reason);
    const calls = choice.toolCalls.length;
    if (reason === 'tool_calls') this.report.expect(calls > 0, 'finish reason tool_calls without a tool call');
    if (reason === 'stop') this.report.expect(calls === 0, 'finish reason stop after a tool call');
    // Cut off by the length, arguments need not be whole.
    if (reason === 'length') return;
    for (const call of choice.toolCalls) {
      this.report.expect(call.custom || isObjectText(call.input), `tool arguments are not a JSON object: ${call.input.slice(0, 80)}`);
    }
  }

  #usage(value: unknown, choices: number): void {
    this.#usageSeen = true;
    const usage = asFields(value) ?? {};
    this.report.expect(choices === 0, 'usage in a chunk with choices');
    this.report.expect(this.#unfinished() === 0, 'usage before the finish reason');
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = usage;
    if (!this.report.expect(isCount(prompt) && isCount(completion) && isCount(total), 'usage without its three counts')) return;
    this.report.expect(Number(prompt) + Number(completion) === total, 'usage does not add up');
  }

  #done(): void {
    this.report.expect(this.#choices.size > 0, '[DONE] without a choice before');
    this.report.expect(this.#unfinished() === 0, '[DONE] without a finish reason before');
    this.report.terminal('[DONE]');
  }

  #unfinished(): number {
    return [...this.#choices.values()].filter((choice) => choice.finish === undefined).length;
  }
}

/** Chat's stream: chunks with deltas, the role in the first, one finish reason per choice, perhaps usage, [DONE]. */
export function validateOpenaiChat(events: readonly SseEvent[]): string[] {
  const stream = new ChunkStream();
  for (const event of events) stream.read(event);
  return stream.report.finish();
}
