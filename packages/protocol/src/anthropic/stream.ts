import { mixedTools } from '../block-writer.ts';
import type { ChatEvent, FinishReason } from '../chat.ts';
import { assertNever } from '../chat.ts';
import type { DropLog } from '../drops.ts';
import { encodeError } from '../encode-error.ts';
import { asNumber, asString } from '../fields.ts';
import { asFields, asText, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext, StreamDecoder, StreamEncoder } from '../protocol.ts';
import { readSeal, writeSeal } from '../seal.ts';
import type { SseEvent } from '../sse.ts';
import { readHead, streamDecoder } from '../stream-state.ts';
import type { PayloadReader, StreamState } from '../stream-state.ts';
import { decodeSearch } from './blocks.ts';
import { answerId, encodeCitation, encodeSearch, encodeUsage, errorTypeOf } from './response.ts';
import { finishOf, serverBlocks, stopReasonOf } from './types.ts';

export function decoder(context: AnswerContext): StreamDecoder {
  return streamDecoder('anthropic', new AnthropicReader(context.drops));
}

/** The block that is open upstream. */
type OpenBlock =
  | { kind: 'none' }
  | { kind: 'thinking'; signature: string }
  | { kind: 'tool'; index: number; input: unknown }
  /** A tool that Anthropic runs; its input is only of use when whole. */
  | { kind: 'server'; id: string; name: string; input: unknown; json: string };

class AnthropicReader implements PayloadReader {
  readonly #drops: DropLog;
  #open: OpenBlock = { kind: 'none' };
  #search: { id: string; input: unknown } | undefined;
  #finish: FinishReason | undefined;
  #stopSequence: string | undefined;

  constructor(drops: DropLog) {
    this.#drops = drops;
  }

  read(payload: Fields, state: StreamState): void {
    switch (payload.type) {
      case 'message_start':
        readHead(state.head, asFields(payload.message) ?? {});
        state.addUsage(payload);
        state.start(undefined);
        break;
      case 'content_block_start':
        state.start(undefined);
        this.#startBlock(payload, state);
        break;
      case 'content_block_delta':
        this.#delta(asFields(payload.delta) ?? {}, state);
        break;
      case 'content_block_stop':
        this.#stopBlock(state);
        break;
      case 'message_delta': {
        const delta = asFields(payload.delta) ?? {};
        if (delta.stop_reason != null) this.#finish = finishOf(delta.stop_reason);
        this.#stopSequence = asText(delta.stop_sequence) ?? this.#stopSequence;
        state.addUsage(payload);
        break;
      }
      case 'message_stop':
        state.finish(this.#finish ?? 'stop', this.#stopSequence);
        break;
      default:
      // Pings, and events that are not known yet: Anthropic asks clients to ignore both.
    }
  }

  ending(): FinishReason | undefined {
    return this.#finish;
  }

  #startBlock(payload: Fields, { blocks }: StreamState): void {
    const block = asFields(payload.content_block) ?? {};
    const index = asNumber(payload.index) ?? 0;
    this.#open = { kind: 'none' };
    switch (block.type) {
      case 'text':
        blocks.text(asString(block.text) ?? '');
        break;
      case 'thinking':
        this.#open = { kind: 'thinking', signature: asString(block.signature) ?? '' };
        blocks.reasoning(asString(block.thinking) ?? '');
        break;
      case 'redacted_thinking':
        blocks.close();
        blocks.seal({ ...readSeal('anthropic', asString(block.data) ?? ''), redacted: true });
        break;
      case 'tool_use':
        this.#open = { kind: 'tool', index, input: block.input };
        blocks.startTool(index, { id: asText(block.id) ?? `call_${index}`, name: asString(block.name) ?? '' });
        break;
      case 'server_tool_use':
        this.#open = { kind: 'server', id: asString(block.id) ?? '', name: asString(block.name) ?? '', input: block.input, json: '' };
        break;
      default:
        this.#serverResult(block, { blocks });
    }
  }

  #serverResult(block: Fields, { blocks }: Pick<StreamState, 'blocks'>): void {
    const type = asString(block.type) ?? '';
    if (type === 'web_search_tool_result' && this.#search !== undefined) {
      blocks.search(decodeSearch(this.#search, block));
      this.#search = undefined;
    } else this.#drops.add(serverBlocks.has(type) ? 'answer-server-tool' : 'answer-unknown', 'content');
  }

  #delta(delta: Fields, state: StreamState): void {
    const { blocks } = state;
    switch (delta.type) {
      case 'text_delta':
        blocks.text(asString(delta.text) ?? '');
        break;
      case 'thinking_delta':
        blocks.reasoning(asString(delta.thinking) ?? '');
        break;
      case 'signature_delta':
        if (this.#open.kind === 'thinking') this.#open.signature += asString(delta.signature) ?? '';
        break;
      case 'input_json_delta':
        this.#inputDelta(asString(delta.partial_json) ?? '', state);
        break;
      case 'citations_delta': {
        const citation = asFields(delta.citation);
        const url = asText(citation?.url);
        if (url === undefined) this.#drops.add('citations', 'citations');
        else blocks.citation({ url, title: asString(citation?.title) ?? '' });
        break;
      }
      default:
        this.#drops.add('answer-unknown', 'delta');
    }
  }

  #inputDelta(json: string, state: StreamState): void {
    const open = this.#open;
    if (open.kind === 'server') open.json += json;
    else if (open.kind === 'tool') {
      if (json !== '') open.input = undefined;
      if (!state.blocks.toolInput(open.index, json)) state.fail(mixedTools());
    }
  }

  #stopBlock({ blocks }: StreamState): void {
    const open = this.#open;
    this.#open = { kind: 'none' };
    if (open.kind === 'thinking') blocks.seal(open.signature === '' ? undefined : readSeal('anthropic', open.signature));
    else if (open.kind === 'tool') {
      // Some relays put the whole input into the block's start.
      const input = asFields(open.input);
      if (input !== undefined && Object.keys(input).length > 0) blocks.toolInput(open.index, JSON.stringify(input));
      blocks.endTool(open.index);
    } else if (open.kind === 'server') {
      if (open.name === 'web_search') this.#search = { id: open.id, input: open.json === '' ? open.input : parseJson(open.json) };
      else this.#drops.add('answer-server-tool', 'content');
    }
  }
}

export function encoder(context: AnswerContext): StreamEncoder {
  return new AnthropicWriter(context);
}

/** Writes one `message_start`, blocks with indexes from 0, one `message_delta` with the whole usage, `message_stop`. */
class AnthropicWriter implements StreamEncoder {
  readonly failure = undefined;
  readonly #context: AnswerContext;
  #index = -1;
  #frames: SseEvent[] = [];

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  push(event: ChatEvent): SseEvent[] {
    this.#frames = [];
    this.#write(event);
    return this.#frames;
  }

  end(): SseEvent[] {
    return [];
  }

  #write(event: ChatEvent): void {
    switch (event.type) {
      // By far the most frequent: written without building an object first.
      case 'text-delta':
      case 'refusal-delta':
        this.#delta('text_delta', 'text', event.text);
        break;
      case 'reasoning-delta':
        this.#delta('thinking_delta', 'thinking', event.text);
        break;
      case 'tool-delta':
        this.#delta('input_json_delta', 'partial_json', event.text);
        break;
      case 'text-start':
      case 'refusal-start':
        this.#start({ type: 'text', text: '' });
        break;
      case 'reasoning-start':
        this.#start({ type: 'thinking', thinking: '', signature: '' });
        break;
      case 'tool-start':
        this.#start({ type: 'tool_use', id: event.id, name: event.name, input: {} });
        break;
      case 'text-end':
      case 'refusal-end':
      case 'tool-end':
        this.#stop();
        break;
      default:
        this.#writeRare(event);
    }
  }

  #writeRare(event: Exclude<ChatEvent, { type: `${string}-delta` | `${string}-start` | 'text-end' | 'refusal-end' | 'tool-end' }>): void {
    switch (event.type) {
      case 'start':
        this.#messageStart(event);
        break;
      case 'reasoning-end':
        this.#delta('signature_delta', 'signature', writeSeal('anthropic', event.seal));
        this.#stop();
        break;
      case 'citation':
        this.#frame({ type: 'content_block_delta', index: this.#index, delta: { type: 'citations_delta', citation: encodeCitation(event.citation) } });
        break;
      case 'search':
        for (const block of encodeSearch(event.search, this.#context)) {
          this.#start(block.type === 'server_tool_use' ? { ...block, input: {} } : block);
          if (block.type === 'server_tool_use') this.#delta('input_json_delta', 'partial_json', JSON.stringify(block.input));
          this.#stop();
        }
        break;
      case 'image':
        this.#context.drops.add('answer-image', 'content');
        this.#start({ type: 'text', text: '' });
        this.#delta('text_delta', 'text', `[${event.mediaType}]`);
        this.#stop();
        break;
      case 'finish':
        this.#frame({
          type: 'message_delta',
          delta: { stop_reason: stopReasonOf(event.reason), stop_sequence: event.stopSequence ?? null },
          usage: encodeUsage(event.usage),
        });
        this.#frame({ type: 'message_stop' });
        break;
      case 'error': {
        const { status, message } = event.failure;
        const body = encodeError('anthropic', { status, message, type: errorTypeOf(event.failure) });
        this.#frames.push({ event: 'error', data: JSON.stringify(body) });
        break;
      }
      default:
        assertNever(event);
    }
  }

  #messageStart(event: Extract<ChatEvent, { type: 'start' }>): void {
    const message = {
      id: answerId(event.id, this.#context),
      type: 'message',
      role: 'assistant',
      model: event.model ?? this.#context.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      // Claude Code shows the cost of what stands here; most other upstreams only know it at the end.
      usage: encodeUsage(event.usage),
    };
    this.#frame({ type: 'message_start', message });
  }

  #start(block: Fields): void {
    this.#index += 1;
    this.#frame({ type: 'content_block_start', index: this.#index, content_block: block });
  }

  #stop(): void {
    this.#frames.push({ event: 'content_block_stop', data: `{"type":"content_block_stop","index":${this.#index}}` });
  }

  #delta(type: string, name: string, text: string): void {
    const delta = `{"type":"${type}","${name}":${JSON.stringify(text)}}`;
    this.#frames.push({ event: 'content_block_delta', data: `{"type":"content_block_delta","index":${this.#index},"delta":${delta}}` });
  }

  #frame(payload: Fields & { type: string }): void {
    this.#frames.push({ event: payload.type, data: JSON.stringify(payload) });
  }
}
