import type { ChatEvent, Citation, FinishReason, ReasoningPart, SearchPart } from '../chat.ts';
import { assertNever } from '../chat.ts';
import { tooLarge } from '../block-writer.ts';
import type { UpstreamError } from '../errors.ts';
import { asString, objectsOf } from '../fields.ts';
import { googleStatusName } from '../http-status.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext, StreamDecoder, StreamEncoder } from '../protocol.ts';
import { readBundle, readSeal } from '../seal.ts';
import type { SseEvent } from '../sse.ts';
import { readHead, streamDecoder } from '../stream-state.ts';
import type { PayloadReader, StreamState } from '../stream-state.ts';
import { decodeGrounding, encodeCall, encodeGrounding, encodeUsage, isBlocked } from './response.ts';
import { failures, finishOf, finishReasonOf, get, getFields } from './types.ts';

export function decoder(context: AnswerContext): StreamDecoder {
  return streamDecoder('gemini', new GeminiReader(context));
}

class GeminiReader implements PayloadReader {
  readonly #context: AnswerContext;
  #calls = 0;
  #finish: FinishReason | undefined;
  #search: SearchPart | undefined;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  read(payload: Fields, state: StreamState): void {
    const fields = asFields(payload.response) ?? payload;
    readHead(state.head, fields);
    const counts = getFields(fields, 'usageMetadata');
    if (counts !== undefined && (counts.totalTokenCount !== 0 || counts.promptTokenCount !== 0)) state.setUsage({ usageMetadata: counts });
    const candidate = objectsOf(fields.candidates)[0];
    if (candidate === undefined) {
      if (isBlocked(fields)) this.#finish = 'content-filter';
      return;
    }
    // The prompt's tokens are known from the first chunk on.
    state.start(undefined);
    for (const part of objectsOf(asFields(candidate.content)?.parts)) this.#part(part, state);
    const grounding = getFields(candidate, 'groundingMetadata');
    if (grounding !== undefined) this.#grounding(grounding, state);
    const reason = asString(get(candidate, 'finishReason'));
    const failure = reason === undefined ? undefined : failures[reason];
    if (failure !== undefined) state.fail({ status: 502, message: failure, type: reason ?? '' });
    else this.#finish = finishOf(reason) ?? this.#finish;
  }

  /** Usage may follow the finish reason, and nothing marks the last chunk: the answer is over with the stream. */
  ending({ blocks }: StreamState): FinishReason | undefined {
    if (this.#finish !== undefined && this.#search !== undefined) blocks.search(this.#search);
    return this.#finish;
  }

  #part(part: Fields, { blocks }: StreamState): void {
    const signature = asText(get(part, 'thoughtSignature'));
    const text = asString(part.text);
    if (text !== undefined) {
      if (part.thought === true) {
        blocks.reasoning(text);
        if (signature !== undefined) blocks.seal(readSeal('gemini', signature));
      } else {
        if (signature !== undefined) this.#context.drops.add('text-signature', 'thoughtSignature');
        blocks.text(text);
      }
      return;
    }
    const call = getFields(part, 'functionCall');
    const inline = getFields(part, 'inlineData');
    if (call !== undefined) this.#call(call, signature, blocks);
    else if (inline !== undefined) {
      const mediaType = asString(get(inline, 'mimeType')) ?? '';
      if (mediaType.startsWith('image/')) blocks.image(mediaType, asString(inline.data) ?? '');
      else this.#context.drops.add('answer-audio', 'parts');
    } else if (signature === undefined) this.#context.drops.add('answer-server-tool', 'parts');
  }

  #call(call: Fields, signature: string | undefined, blocks: StreamState['blocks']): void {
    if (signature !== undefined && readBundle(signature) === undefined) blocks.seal({ origin: 'gemini', data: signature });
    this.#calls += 1;
    blocks.startTool(this.#calls, { id: asText(call.id) ?? this.#context.id('call_'), name: asString(call.name) ?? '' });
    blocks.toolInput(this.#calls, JSON.stringify(asFields(call.args) ?? {}));
    blocks.endTool(this.#calls);
  }

  #grounding(grounding: Fields, { blocks }: StreamState): void {
    const { search, citations } = decodeGrounding(grounding);
    for (const citation of citations) blocks.citation(citation);
    this.#search = search ?? this.#search;
  }
}

export function encoder(context: AnswerContext): StreamEncoder {
  return new GeminiWriter(context);
}

/** What may wait for a call's end, characters of arguments. */
const maxArguments = 192 * 1024;
/** Reasoning that is kept for the next call, characters. */
const maxReasoning = 32 * 1024;

/** Writes a chunk per piece of text, function calls whole, and a last chunk with reason and usage. */
class GeminiWriter implements StreamEncoder {
  failure: UpstreamError | undefined;
  readonly #context: AnswerContext;
  #tail = '';
  #call: { id: string; name: string; input: string } | undefined;
  /** A call whose arguments are no JSON, held until it shows whether the token limit cut it. */
  #doubtful: { id: string; name: string; input: string } | undefined;
  #reasoning: ReasoningPart[] = [];
  #thought = '';
  readonly #searches: SearchPart[] = [];
  readonly #citations: Citation[] = [];
  #over = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  push(event: ChatEvent): SseEvent[] {
    if (this.#over) return [];
    switch (event.type) {
      case 'text-delta':
      case 'refusal-delta':
        return [this.#part(`{"text":${JSON.stringify(event.text)}}`)];
      case 'reasoning-delta':
        if (this.#thought.length < maxReasoning) this.#thought += event.text;
        return [this.#part(`{"text":${JSON.stringify(event.text)},"thought":true}`)];
      case 'tool-delta':
        return this.#toolDelta(event.text);
      case 'start':
        this.#start(event);
        return [];
      case 'tool-start':
        this.#call = { id: event.id, name: event.name, input: '' };
        return [];
      case 'tool-end':
        return this.#toolEnd();
      default:
        return this.#rare(event);
    }
  }

  end(): SseEvent[] {
    return [];
  }

  #rare(event: Exclude<ChatEvent, { type: 'text-delta' | 'refusal-delta' | 'reasoning-delta' | 'tool-delta' | 'start' | 'tool-start' | 'tool-end' }>): SseEvent[] {
    switch (event.type) {
      case 'text-start':
      case 'text-end':
      case 'refusal-start':
      case 'refusal-end':
        return [];
      case 'reasoning-start':
        this.#thought = '';
        return [];
      case 'reasoning-end':
        // Half a text is worse than none: the upstream would refuse it.
        if (this.#thought.length < maxReasoning) this.#reasoning.push({ type: 'reasoning', text: this.#thought, seal: event.seal });
        this.#thought = '';
        return [];
      case 'citation':
        this.#citations.push(event.citation);
        return [];
      case 'search':
        this.#searches.push(event.search);
        return [];
      case 'image':
        return [this.#part(JSON.stringify({ inlineData: { mimeType: event.mediaType, data: event.data } }))];
      case 'finish':
        return this.#finish(event);
      case 'error':
        return this.#fail(event.failure);
      default:
        return assertNever(event);
    }
  }

  #start(event: Extract<ChatEvent, { type: 'start' }>): void {
    const tail = { modelVersion: event.model ?? this.#context.model, responseId: event.id ?? this.#context.id('resp_') };
    this.#tail = JSON.stringify(tail).slice(1, -1);
  }

  #toolDelta(text: string): SseEvent[] {
    if (this.#call === undefined) return [];
    this.#call.input += text;
    if (this.#call.input.length <= maxArguments) return [];
    this.failure = tooLarge();
    return this.#fail(this.failure);
  }

  #toolEnd(): SseEvent[] {
    const call = this.#call;
    this.#call = undefined;
    if (call === undefined) return [];
    const encoded = encodeCall(call, this.#reasoning, true, this.#context.drops);
    if (encoded.length === 0) this.#doubtful = call;
    else this.#reasoning = [];
    return encoded.map((part) => this.#part(JSON.stringify(part)));
  }

  #finish(event: Extract<ChatEvent, { type: 'finish' }>): SseEvent[] {
    const frames: SseEvent[] = [];
    if (this.#doubtful !== undefined && event.reason !== 'length') {
      for (const part of encodeCall(this.#doubtful, this.#reasoning, false, this.#context.drops)) frames.push(this.#part(JSON.stringify(part)));
    }
    this.#over = true;
    const candidate: Fields = { content: { parts: [{ text: '' }], role: 'model' }, finishReason: finishReasonOf(event.reason), index: 0 };
    const grounding = encodeGrounding(this.#searches, this.#citations);
    if (grounding !== undefined) candidate.groundingMetadata = grounding;
    const usage = JSON.stringify(encodeUsage(event.usage));
    frames.push(this.#frame(`{"candidates":[${JSON.stringify(candidate)}],"usageMetadata":${usage},${this.#tail}}`));
    return frames;
  }

  /** Google's SDK throws only if the code is a number of 400 or more. */
  #fail({ status, message }: UpstreamError): SseEvent[] {
    this.#over = true;
    // Google's SDK repeats 503 but takes the unofficial 529 as final.
    const code = status === 529 ? 503 : status;
    return [{ event: '', data: JSON.stringify({ error: { code, message, status: googleStatusName(code) } }) }];
  }

  #part(part: string): SseEvent {
    return this.#frame(`{"candidates":[{"content":{"parts":[${part}],"role":"model"},"index":0}],${this.#tail}}`);
  }

  /** Google escapes these two, and its older SDK breaks on them where they stand raw. */
  #frame(json: string): SseEvent {
    const safe = /[\u2028\u2029]/.test(json) ? json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029') : json;
    return { event: '', data: this.#context.wrapped ? `{"response":${safe}}` : safe };
  }
}
