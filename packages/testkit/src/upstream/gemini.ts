import { complete, type FullReply, openaiUsage, type Reply, type ReplyUsage, sse } from './reply.ts';

type Json = Record<string, unknown>;

/** A whole generateContent answer. */
export function geminiBody(reply: Reply = {}): Json {
  const full = completeReply(reply);
  const text = full.text === '' ? [] : [{ text: full.text }];
  return answer(full, [...text, ...full.toolCalls.map(callPart)], true);
}

/** A streamGenerateContent answer as server-sent events, one per element. Every one carries the usage, as the real API does. */
export function geminiStream(reply: Reply = {}): string[] {
  return parts(reply).map((part) => sse('', part));
}

/** The same as a JSON array that arrives in pieces: what the API sends without `alt=sse`. */
export function geminiArray(reply: Reply = {}): string[] {
  return [...parts(reply).map((part, index) => `${index === 0 ? '[' : ',\r\n'}${JSON.stringify(part)}`), ']'];
}

function completeReply(reply: Reply): FullReply {
  return complete(reply, 'gemini-2.5-pro', openaiUsage, 'call_FAKE');
}

function parts(reply: Reply): Json[] {
  const full = completeReply(reply);
  const contents = [...full.pieces.map((text) => ({ text })), ...full.toolCalls.map(callPart)];
  if (contents.length === 0) return [answer(full, [], true)];
  return contents.map((part, index) => answer(full, [part], index === contents.length - 1));
}

function callPart(call: FullReply['toolCalls'][number]): Json {
  return { functionCall: { name: call.name, args: call.arguments } };
}

function answer(full: FullReply, content: Json[], last: boolean): Json {
  const candidate = { content: { parts: content, role: 'model' }, index: 0 };
  return {
    candidates: [last ? { ...candidate, finishReason: 'STOP' } : candidate],
    modelVersion: full.model,
    responseId: 'fakeresp000000000001',
    ...(full.usage === null ? {} : { usageMetadata: usageOf(full.usage) }),
  };
}

function usageOf(usage: ReplyUsage): Json {
  const prompt = usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: usage.output - usage.reasoning,
    totalTokenCount: prompt + usage.output,
    cachedContentTokenCount: usage.cacheRead,
    thoughtsTokenCount: usage.reasoning,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
  };
}
