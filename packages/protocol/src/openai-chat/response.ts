import type { AnswerPart, ChatResponse, Citation } from '../chat.ts';
import { malformed } from '../drops.ts';
import { asNumber, objectsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { dataUrl, sourceOfUrl } from '../media.ts';
import type { AnswerContext } from '../protocol.ts';
import { writeSeal } from '../seal.ts';
import { inputTotal } from '../usage-fields.ts';
import { emptyUsage, parseUsage, usageTotal } from '../usage.ts';
import type { Usage } from '../usage.ts';
import { decodeAssistant } from './blocks.ts';
import { finishOf, finishReasonOf } from './types.ts';

export function decodeResponse(body: unknown, context: AnswerContext): ChatResponse {
  const fields = asFields(body);
  const choice = objectsOf(fields?.choices)[0];
  const message = asFields(choice?.message);
  if (fields === undefined || choice === undefined || message === undefined) throw malformed('choices', 'the answer has no choice');
  const parts = decodeAssistant(message, 'choices[0].message', context.drops).filter(isAnswerPart);
  for (const part of parts) if (part.type === 'tool-call' && part.id === '') part.id = context.id('call_');
  for (const image of objectsOf(message.images)) {
    const url = asText(asFields(image.image_url)?.url);
    if (url !== undefined) parts.push({ type: 'image', source: sourceOfUrl(url) });
  }
  const finish = finishOf(choice.finish_reason) ?? 'stop';
  const called = parts.some((part) => part.type === 'tool-call');
  return {
    id: asText(fields.id),
    model: asText(fields.model),
    created: asNumber(fields.created),
    parts,
    finish: called && finish === 'stop' ? 'tool-calls' : finish === 'stop' && asText(message.refusal) !== undefined ? 'refusal' : finish,
    stopSequence: undefined,
    usage: parseUsage('openai-chat', fields),
    serviceTier: asText(fields.service_tier),
  };
}

function isAnswerPart(part: { type: string }): part is AnswerPart {
  return part.type !== 'document' && part.type !== 'audio' && part.type !== 'tool-result';
}

export function encodeResponse(response: ChatResponse, context: AnswerContext): Fields {
  const { parts } = response;
  const message: Fields = { role: 'assistant', content: textOf(parts, 'text'), refusal: textOf(parts, 'refusal') };
  const reasoning = parts.filter((part) => part.type === 'reasoning');
  const thoughts = reasoning.map((part) => part.text).join('');
  if (thoughts !== '') message.reasoning_content = thoughts;
  const details = reasoning.flatMap((part) => (part.seal === undefined ? [] : [encodeSeal(part.seal, part.text.length)]));
  if (details.length > 0) message.reasoning_details = details;
  const calls = parts.filter((part) => part.type === 'tool-call');
  // Null only beside something else.
  if (calls.length === 0 && message.refusal === null) message.content ??= '';
  if (calls.length > 0) message.tool_calls = calls.map((call) => encodeCall(call));
  const citations = parts.flatMap((part) => (part.type === 'text' ? (part.citations ?? []) : []));
  if (citations.length > 0) message.annotations = citations.map((citation) => encodeCitation(citation, 0, 0));
  const images = parts.flatMap((part) => (part.type === 'image' && part.source.kind === 'base64' ? [encodeImage(part.source)] : []));
  if (images.length > 0) message.images = images;
  if (parts.some((part) => part.type === 'search')) context.drops.add('answer-search', 'content');
  return {
    id: answerId(response.id, context),
    object: 'chat.completion',
    created: response.created ?? context.now,
    model: response.model ?? context.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(response.finish, message.refusal !== null) }],
    usage: encodeUsage(response.usage),
  };
}

function textOf(parts: readonly AnswerPart[], type: 'text' | 'refusal'): string | null {
  const texts = parts.flatMap((part) => (part.type === type ? [part.text] : []));
  return texts.length === 0 ? null : texts.join('');
}

function encodeCall(call: { id: string; name: string; input: string; custom?: boolean }): Fields {
  if (call.custom === true) return { id: call.id, type: 'custom', custom: { name: call.name, input: call.input } };
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.input === '' ? '{}' : call.input } };
}

/** A seal among `reasoning_details`; `length` is that of its text in `reasoning_content`, characters. */
export function encodeSeal(seal: Parameters<typeof writeSeal>[1], length: number): Fields {
  return { type: 'reasoning.encrypted', data: writeSeal('openai-chat', seal), length };
}

export function encodeCitation(citation: Citation, start: number, end: number): Fields {
  return { type: 'url_citation', url_citation: { url: citation.url, title: citation.title, start_index: start, end_index: end } };
}

/** An image of the answer where OpenRouter and others put it; OpenAI's own dialect has no place. */
export function encodeImage(source: { mediaType: string; data: string }): Fields {
  return { type: 'image_url', image_url: { url: dataUrl(source) } };
}

/** The upstream's id where it is one of this dialect, else a fresh one. */
export function answerId(id: string | undefined, context: AnswerContext): string {
  return id?.startsWith('chatcmpl-') === true ? id : context.id('chatcmpl-');
}

/** Usage in OpenAI's words: the prompt includes what came from a cache and what was written to one. */
export function encodeUsage(usage: Usage = emptyUsage()): Fields {
  const written = usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteUnsplit;
  const details: Fields = { cached_tokens: usage.cacheRead };
  if (written > 0) details.cache_write_tokens = written;
  if (usage.inputAudio > 0) details.audio_tokens = usage.inputAudio;
  return {
    prompt_tokens: inputTotal(usage),
    completion_tokens: usage.output,
    total_tokens: usageTotal(usage),
    prompt_tokens_details: details,
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}
