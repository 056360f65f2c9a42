import { mixedTools } from '../block-writer.ts';
import type { ChatEvent, FinishReason } from '../chat.ts';
import { assertNever } from '../chat.ts';
import { encodeError } from '../encode-error.ts';
import { asNumber, asString, objectsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { sourceOfUrl } from '../media.ts';
import type { AnswerContext, StreamDecoder, StreamEncoder } from '../protocol.ts';
import type { SseEvent } from '../sse.ts';
import { readHead, streamDecoder } from '../stream-state.ts';
import type { PayloadReader, StreamState } from '../stream-state.ts';
import { answerId, encodeCitation, encodeImage, encodeSeal, encodeUsage } from './response.ts';
import { finishOf, finishReasonOf } from './types.ts';

export function decoder(context: AnswerContext): StreamDecoder {
  return streamDecoder('openai-chat', new ChatReader(context));
}

/** One tool call of the stream, known by its index. */
interface StreamedCall {
  key: string;
  id: string | undefined;
  /** Name and input begin the call as soon as there is a name. */
  started: boolean;
  waiting: string;
}

class ChatReader implements PayloadReader {
  readonly #context: AnswerContext;
  readonly #calls = new Map<number, StreamedCall>();
  #callCount = 0;
  #lastIndex = 0;
  #finish: FinishReason | undefined;
  #refused = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  read(payload: Fields, state: StreamState): void {
    if (state.head.id === undefined) readHead(state.head, payload);
    const choice = objectsOf(payload.choices).find((candidate) => (asNumber(candidate.index) ?? 0) === 0);
    if (payload.usage != null || payload.x_groq != null || choice?.usage != null) state.addUsage(payload);
    if (choice === undefined) return;
    state.start(asNumber(payload.created));
    // Some relays answer a stream with one whole message.
    const delta = asFields(choice.delta) ?? asFields(choice.message);
    if (delta !== undefined) this.#delta(delta, state);
    const finish = finishOf(choice.finish_reason);
    if (finish !== undefined) this.#finish = finish === 'stop' && this.#refused ? 'refusal' : finish;
  }

  /** Usage may follow the finish reason, so the answer is over only with `[DONE]` or the stream's end. */
  ending(state: StreamState, marked: boolean): FinishReason | undefined {
    if (this.#finish !== undefined) return this.#finish;
    // An upstream that marks its end but forgets the reason.
    return marked && state.blocks.contentSeen ? 'stop' : undefined;
  }

  #delta(delta: Fields, state: StreamState): void {
    const { blocks } = state;
    const reasoning = asText(delta.reasoning_content) ?? asText(delta.reasoning);
    if (reasoning !== undefined) blocks.reasoning(reasoning);
    const { content } = delta;
    if (typeof content === 'string') blocks.text(content);
    else if (Array.isArray(content)) this.#contentParts(objectsOf(content), state);
    const refusal = asText(delta.refusal);
    if (refusal !== undefined) {
      this.#refused = true;
      blocks.refusal(refusal);
    }
    if (delta.annotations != null) {
      for (const annotation of objectsOf(delta.annotations)) {
        const citation = asFields(annotation.url_citation);
        const url = asText(citation?.url);
        if (url !== undefined) blocks.citation({ url, title: asString(citation?.title) ?? '' });
      }
    }
    if (delta.tool_calls != null) for (const call of objectsOf(delta.tool_calls)) this.#call(call, state);
    if (delta.images != null) {
      for (const image of objectsOf(delta.images)) {
        const source = sourceOfUrl(asString(asFields(image.image_url)?.url) ?? '');
        if (source.kind === 'base64') blocks.image(source.mediaType, source.data);
      }
    }
    if (delta.audio != null) this.#context.drops.add('answer-audio', 'delta.audio');
  }

  /** Mistral's content: texts and thinking in a list. */
  #contentParts(parts: readonly Fields[], { blocks }: StreamState): void {
    for (const part of parts) {
      if (part.type === 'thinking') for (const text of objectsOf(part.thinking)) blocks.reasoning(asString(text.text) ?? '');
      else blocks.text(asString(part.text) ?? '');
    }
  }

  #call(fields: Fields, state: StreamState): void {
    const custom = asFields(fields.custom);
    const definition = custom ?? asFields(fields.function) ?? {};
    const name = asText(definition.name);
    const call = this.#callOf(fields, name);
    const given = custom === undefined ? definition.arguments : definition.input;
    const input = typeof given === 'string' ? given : given == null ? '' : JSON.stringify(given);
    if (!call.started && name !== undefined) {
      call.started = true;
      state.blocks.startTool(call.key, { id: call.id ?? this.#context.id('call_'), name, custom: custom !== undefined });
      if (!state.blocks.toolInput(call.key, call.waiting)) state.fail(mixedTools());
      call.waiting = '';
    }
    if (!call.started) call.waiting += input;
    else if (!state.blocks.toolInput(call.key, input)) state.fail(mixedTools());
  }

  /**
   * The call that a piece belongs to: by its index, else the newest. Google's own endpoint in this dialect gives every
   * call the index 0, so a new id with a new name is a new call.
   */
  #callOf(fields: Fields, name: string | undefined): StreamedCall {
    const id = asText(fields.id);
    const index = asNumber(fields.index) ?? (id !== undefined && name !== undefined ? this.#callCount : this.#lastIndex);
    this.#lastIndex = index;
    const known = this.#calls.get(index);
    const another = known?.started === true && id !== undefined && name !== undefined && known.id !== undefined && id !== known.id;
    if (known !== undefined && !another) {
      known.id ??= id;
      return known;
    }
    const call: StreamedCall = { key: `${index}:${this.#callCount}`, id, started: false, waiting: '' };
    this.#callCount += 1;
    this.#calls.set(index, call);
    return call;
  }
}

export function encoder(context: AnswerContext): StreamEncoder {
  return new ChatWriter(context);
}

/** Writes chunks of one id, the role once in the first, tool calls with indexes from 0, one finish reason, `[DONE]`. */
class ChatWriter implements StreamEncoder {
  readonly failure = undefined;
  readonly #context: AnswerContext;
  /** Id, kind, time and model, the same in every chunk; then the same up to the delta. */
  #prefix = '';
  #head = '';
  #usageField = '';
  #tool = -1;
  #custom = false;
  #refused = false;
  /** Characters of reasoning in the open block. */
  #reasoned = 0;
  /** Characters of content so far, and up to where they have been cited. */
  #written = 0;
  #cited = 0;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  push(event: ChatEvent): SseEvent[] {
    switch (event.type) {
      case 'text-delta':
        this.#written += event.text.length;
        return [this.#chunk(`{"content":${JSON.stringify(event.text)}}`)];
      case 'reasoning-delta':
        this.#reasoned += event.text.length;
        return [this.#chunk(`{"reasoning_content":${JSON.stringify(event.text)}}`)];
      case 'tool-delta':
        return [this.#toolDelta(event.text)];
      case 'start':
        return [this.#start(event)];
      case 'tool-start':
        return [this.#toolStart(event)];
      case 'finish':
        return this.#finish(event);
      default:
        return this.#rare(event);
    }
  }

  end(): SseEvent[] {
    return [];
  }

  #rare(event: Exclude<ChatEvent, { type: 'text-delta' | 'reasoning-delta' | 'tool-delta' | 'start' | 'tool-start' | 'finish' }>): SseEvent[] {
    switch (event.type) {
      case 'text-start':
        this.#cited = this.#written;
        return [];
      case 'text-end':
      case 'refusal-start':
      case 'refusal-end':
      case 'tool-end':
        return [];
      case 'reasoning-start':
        this.#reasoned = 0;
        return [];
      case 'reasoning-end':
        return [this.#chunk(JSON.stringify({ reasoning_details: [encodeSeal(event.seal, this.#reasoned)] }))];
      case 'refusal-delta':
        this.#refused = true;
        return [this.#chunk(`{"refusal":${JSON.stringify(event.text)}}`)];
      case 'citation': {
        const annotation = encodeCitation(event.citation, this.#cited, this.#written);
        return [this.#chunk(JSON.stringify({ annotations: [annotation] }))];
      }
      case 'image':
        return [this.#chunk(JSON.stringify({ images: [encodeImage(event)] }))];
      case 'search':
        this.#context.drops.add('answer-search', 'delta');
        return [];
      case 'error': {
        const { status, message, type } = event.failure;
        const body = encodeError('openai-chat', type === undefined ? { status, message } : { status, message, type });
        return [{ event: '', data: JSON.stringify(body) }];
      }
      default:
        return assertNever(event);
    }
  }

  #start(event: Extract<ChatEvent, { type: 'start' }>): SseEvent {
    const context = this.#context;
    const head = {
      id: answerId(event.id, context),
      object: 'chat.completion.chunk',
      created: event.created ?? context.now,
      model: event.model ?? context.model,
    };
    this.#prefix = JSON.stringify(head).slice(0, -1);
    this.#head = `${this.#prefix},"choices":[{"index":0,"delta":`;
    // A client that asked for usage sees the field in every chunk.
    this.#usageField = context.includeUsage ? ',"usage":null' : '';
    return this.#chunk('{"role":"assistant","content":"","refusal":null}');
  }

  #toolStart(event: Extract<ChatEvent, { type: 'tool-start' }>): SseEvent {
    this.#tool += 1;
    this.#custom = event.custom;
    const call = event.custom
      ? { index: this.#tool, id: event.id, type: 'custom', custom: { name: event.name, input: '' } }
      : { index: this.#tool, id: event.id, type: 'function', function: { name: event.name, arguments: '' } };
    return this.#chunk(JSON.stringify({ tool_calls: [call] }));
  }

  #toolDelta(text: string): SseEvent {
    const input = this.#custom ? `"custom":{"input":${JSON.stringify(text)}}` : `"function":{"arguments":${JSON.stringify(text)}}`;
    return this.#chunk(`{"tool_calls":[{"index":${this.#tool},${input}}]}`);
  }

  #finish(event: Extract<ChatEvent, { type: 'finish' }>): SseEvent[] {
    const frames = [this.#chunk('{}', finishReasonOf(event.reason, this.#refused))];
    if (this.#context.includeUsage) {
      frames.push({ event: '', data: `${this.#prefix},"choices":[],"usage":${JSON.stringify(encodeUsage(event.usage))}}` });
    }
    frames.push({ event: '', data: '[DONE]' });
    return frames;
  }

  #chunk(delta: string, finishReason?: string): SseEvent {
    const finish = finishReason === undefined ? 'null' : `"${finishReason}"`;
    return { event: '', data: `${this.#head}${delta},"logprobs":null,"finish_reason":${finish}}]${this.#usageField}}` };
  }
}
