import { asArray, asFields } from '../json.ts';
import type { Fields } from '../json.ts';
import type { SseEvent } from '../sse.ts';
import { Report, isCount, isText } from './report.ts';

const partData = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
] as const;

class AnswerStream {
  readonly report = new Report();
  readonly #finished = new Map<number, string>();
  readonly #started = new Set<number>();
  #blocked = false;
  #usage: Fields | undefined;

  read(event: SseEvent): void {
    this.report.next('answer');
    this.report.expect(event.event === '' || event.event === 'message', `answer has the event type ${event.event}`);
    // Google's older SDK splits lines at these.
    this.report.expect(!/[\u2028\u2029]/.test(event.data), 'raw U+2028 or U+2029');
    const answer = this.report.payload(event);
    if (answer === undefined) return;
    if (answer.error != null) {
      const error = asFields(answer.error) ?? {};
      this.report.expect(isText(error.message) && isCount(error.code), 'error without message or numeric code');
      this.report.terminal('error');
      return;
    }
    for (const candidate of asArray(answer.candidates) ?? []) this.#candidate(asFields(candidate) ?? {});
    if (isText(asFields(answer.promptFeedback)?.blockReason)) this.#blocked = true;
    this.#usage = asFields(answer.usageMetadata) ?? this.#usage;
    const says = answer.candidates ?? answer.promptFeedback ?? answer.usageMetadata;
    this.report.expect(says !== undefined, 'answer without candidates, feedback or usage');
  }

  #candidate(candidate: Fields): void {
    const index = candidate.index ?? 0;
    if (!this.report.expect(isCount(index), 'candidate index is no number')) return;
    this.#started.add(Number(index));
    const content = asFields(candidate.content);
    const parts = asArray(content?.parts) ?? [];
    if (parts.length > 0) {
      this.report.expect(content?.role === 'model', 'content of another role than model');
      this.report.expect(!this.#finished.has(Number(index)), 'parts after the finish reason');
    }
    for (const part of parts) this.#part(asFields(part) ?? {});
    if (candidate.finishReason == null) return;
    this.report.expect(isText(candidate.finishReason), 'finish reason is no text');
    this.report.expect(!this.#finished.has(Number(index)), 'second finish reason');
    this.#finished.set(Number(index), String(candidate.finishReason));
  }

  #part(part: Fields): void {
    const data = partData.filter((key) => part[key] !== undefined);
    this.report.expect(data.length === 1, `part with ${data.length} kinds of data`);
    if (part.text !== undefined) this.report.expect(typeof part.text === 'string', 'text is no text');
    const call = asFields(part.functionCall);
    if (call === undefined) return;
    this.report.expect(isText(call.name), 'function call without name');
    this.report.expect(call.args === undefined || asFields(call.args) !== undefined, 'function arguments are no object');
  }

  finish(): string[] {
    if (this.report.ended) return this.report.problems;
    const whole = this.#started.size > 0 && [...this.#started].every((index) => this.#finished.has(index));
    if (whole || (this.#blocked && this.#started.size === 0)) this.report.terminal('finish reason');
    if (this.report.ended) this.#checkUsage();
    return this.report.finish();
  }

  #checkUsage(): void {
    const usage = this.#usage;
    if (!this.report.expect(usage !== undefined, 'stream without usage') || usage === undefined) return;
    const parts = [usage.promptTokenCount, usage.candidatesTokenCount, usage.thoughtsTokenCount, usage.toolUsePromptTokenCount];
    const sum = parts.reduce<number>((total, part) => total + (isCount(part) ? part : 0), 0);
    this.report.expect(usage.totalTokenCount === sum, `usage does not add up: ${String(usage.totalTokenCount)} is not ${sum}`);
  }
}

/** Gemini's stream: answers with parts, a finish reason in the last of each candidate, usage; nothing marks the end. */
export function validateGemini(events: readonly SseEvent[]): string[] {
  const stream = new AnswerStream();
  for (const event of events) stream.read(event);
  return stream.finish();
}
