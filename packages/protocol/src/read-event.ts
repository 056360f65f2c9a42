import type { Dialect } from './dialect.ts';
import { errorInPayload } from './errors.ts';
import { asArray, asFields, asText, jsonBytes } from './json.ts';
import type { Fields } from './json.ts';
import type { Notes } from './notes.ts';

/** Takes one event of a stream into the notes: its parsed payload, and its name (empty if it has none). */
export function readEvent(notes: Notes, payload: Fields, name: string): void {
  if (typeof payload.sequence_number === 'number') notes.sequenceNumber = payload.sequence_number;
  const error = errorInPayload(payload, name);
  if (error !== undefined) {
    notes.error ??= error;
    notes.addUsage(payload);
    // A response that failed is over, with what it used.
    const response = asFields(payload.response);
    if (response !== undefined) {
      identifyResponse(notes, response);
      notes.finished = true;
      notes.usageFinal = notes.usage !== undefined;
    }
    return;
  }
  readers[notes.dialect](notes, payload, name);
}

/** The marker that ends OpenAI's streams. Alone it does not make an answer: only a finish reason does. */
export function readDone(notes: Notes): void {
  if (notes.dialect !== 'openai-chat') return;
  notes.finished = true;
  notes.usageFinal = notes.usage !== undefined;
}

const readers: Record<Dialect, (notes: Notes, payload: Fields, name: string) => void> = {
  anthropic: readAnthropic,
  'openai-chat': readChat,
  'openai-responses': readResponses,
  gemini: readGemini,
};

// === Anthropic: message_start, blocks of start, deltas and stop, message_delta with the stop reason, message_stop

function readAnthropic(notes: Notes, payload: Fields, name: string): void {
  switch (payload.type ?? name) {
    case 'content_block_delta':
      readAnthropicDelta(notes, asFields(payload.delta) ?? {});
      return;
    case 'content_block_start':
      readAnthropicBlock(notes, asFields(payload.content_block) ?? {});
      return;
    case 'message_start': {
      const message = asFields(payload.message) ?? {};
      notes.identify(message.model, message.id);
      notes.addServiceTier(asFields(message.usage)?.service_tier);
      if (asArray(message.content)?.length) notes.contentSeen = true;
      notes.addUsage(payload);
      return;
    }
    case 'message_delta':
      if (asText(asFields(payload.delta)?.stop_reason) !== undefined) notes.stopReasonSeen = true;
      if (notes.addUsage(payload)) notes.usageFinal = true;
      return;
    case 'message_stop':
      notes.finished = true;
      if (notes.stopReasonSeen) notes.contentSeen = true;
      notes.usageFinal = notes.usage !== undefined;
      return;
    case 'ping':
    case 'content_block_stop':
      return;
    default:
      notes.addUsage(payload);
  }
}

function readAnthropicDelta(notes: Notes, delta: Fields): void {
  notes.addText(delta.text);
  notes.addText(delta.thinking);
  notes.addText(delta.partial_json);
  // A signature, a citation or a compaction also only comes with content.
  if (delta.type !== 'text_delta' && delta.type !== 'thinking_delta' && delta.type !== undefined) notes.contentSeen = true;
}

function readAnthropicBlock(notes: Notes, block: Fields): void {
  notes.addText(block.text);
  notes.addText(block.thinking);
  // Blocks of text and thinking start empty; those of tools, results and redacted thinking already say something.
  if (block.type !== 'text' && block.type !== 'thinking' && block.type !== undefined) notes.contentSeen = true;
}

// === OpenAI Chat Completions: chunks with deltas, one with the finish reason, perhaps one with usage, [DONE]

function readChat(notes: Notes, payload: Fields): void {
  notes.identify(payload.model, payload.id);
  notes.addServiceTier(payload.service_tier);
  for (const item of asArray(payload.choices) ?? []) {
    const choice = asFields(item) ?? {};
    const error = errorInPayload(choice, '');
    if (error !== undefined) {
      notes.error ??= error;
      continue;
    }
    notes.addText(choice.text);
    readChatDelta(notes, asFields(choice.delta) ?? asFields(choice.message) ?? {});
    if (asText(choice.finish_reason) === undefined) continue;
    notes.finished = true;
    notes.contentSeen = true;
  }
  if (payload.usage !== null) notes.addUsage(payload);
  if (notes.finished && notes.usage !== undefined) notes.usageFinal = true;
}

function readChatDelta(notes: Notes, delta: Fields): void {
  if (typeof delta.content === 'string') notes.addText(delta.content);
  else for (const part of asArray(delta.content) ?? []) notes.addText(asFields(part)?.text ?? part);
  notes.addText(delta.reasoning_content);
  notes.addText(delta.reasoning);
  notes.addText(delta.refusal);
  for (const item of asArray(delta.tool_calls) ?? []) {
    notes.contentSeen = true;
    const call = asFields(item) ?? {};
    notes.addText(asFields(call.function)?.arguments);
    notes.addText(asFields(call.custom)?.input);
  }
  const functionCall = asFields(delta.function_call);
  if (functionCall !== undefined) {
    notes.contentSeen = true;
    notes.addText(functionCall.arguments);
  }
  if (asFields(delta.audio) || asArray(delta.images)?.length || asArray(delta.reasoning_details)?.length) notes.contentSeen = true;
}

// === OpenAI Responses: lifecycle events around items and their deltas

function readResponses(notes: Notes, payload: Fields, name: string): void {
  const type = asText(payload.type) ?? name;
  switch (type) {
    case 'response.created':
    case 'response.queued':
    case 'response.in_progress':
      identifyResponse(notes, asFields(payload.response) ?? {});
      notes.addUsage(payload);
      return;
    case 'response.completed':
    case 'response.incomplete':
    case 'response.cancelled':
    case 'response.done':
      identifyResponse(notes, asFields(payload.response) ?? {});
      notes.finished = true;
      notes.contentSeen = true;
      notes.addUsage(payload);
      notes.usageFinal = notes.usage !== undefined;
      return;
    default:
      if (type.endsWith('.delta') && type.startsWith('response.')) {
        // Audio is base64, no text.
        if (typeof payload.delta === 'string' && type !== 'response.audio.delta') notes.addText(payload.delta);
        else notes.contentSeen = true;
      } else if (isResponsesContent(type)) notes.contentSeen = true;
  }
}

/** Everything about items is content; `codex.rate_limits`, `keepalive` and other events beside the response are not. */
function isResponsesContent(type: string): boolean {
  return type.startsWith('response.') && type !== 'response.metadata' && type !== 'response.heartbeat';
}

function identifyResponse(notes: Notes, response: Fields): void {
  notes.identify(response.model, response.id);
  notes.addServiceTier(response.service_tier);
  notes.promptCacheKey ??= asText(response.prompt_cache_key);
}

// === Gemini: whole answers one after the other, each with some parts; Code Assist wraps them in `response`

function readGemini(notes: Notes, payload: Fields): void {
  const answer = asFields(payload.response) ?? payload;
  notes.identify(answer.modelVersion, answer.responseId);
  for (const item of asArray(answer.candidates) ?? []) {
    const candidate = asFields(item) ?? {};
    for (const part of asArray(asFields(candidate.content)?.parts) ?? []) readGeminiPart(notes, asFields(part) ?? {});
    const reason = asText(candidate.finishReason);
    if (reason === undefined || reason === 'FINISH_REASON_UNSPECIFIED') continue;
    notes.finished = true;
    notes.contentSeen = true;
  }
  if (asText(asFields(answer.promptFeedback)?.blockReason) !== undefined) {
    notes.finished = true;
    notes.contentSeen = true;
  }
  notes.addUsage(payload);
  if (notes.finished && notes.usage !== undefined) notes.usageFinal = true;
}

function readGeminiPart(notes: Notes, part: Fields): void {
  notes.addText(part.text);
  const call = asFields(part.functionCall);
  if (call !== undefined) notes.textBytes += jsonBytes(call.args);
  notes.addText(asFields(part.executableCode)?.code);
  // `thought` and an empty text alone say nothing; data, code results and signatures do.
  if (Object.entries(part).some(([key, value]) => key !== 'text' && key !== 'thought' && value)) notes.contentSeen = true;
}
