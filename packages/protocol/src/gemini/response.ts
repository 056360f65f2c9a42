import type { AnswerPart, ChatResponse, Citation, ReasoningPart, SearchPart } from '../chat.ts';
import { assertNever } from '../chat.ts';
import { ConversionError, malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asString, objectsOf, textsOf } from '../fields.ts';
import { asFields, asText, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext } from '../protocol.ts';
import { writeBundle, writeSeal } from '../seal.ts';
import { inputTotal } from '../usage-fields.ts';
import { emptyUsage, parseUsage, usageTotal } from '../usage.ts';
import type { Usage } from '../usage.ts';
import { CallLedger, decodePart, withoutRepeated } from './blocks.ts';
import { failures, finishOf, finishReasonOf, get, getFields } from './types.ts';

export function decodeResponse(body: unknown, context: AnswerContext): ChatResponse {
  const outer = asFields(body);
  const fields = asFields(outer?.response) ?? outer;
  const candidate = objectsOf(fields?.candidates)[0];
  if (fields === undefined || (candidate === undefined && !isBlocked(fields))) throw malformed('candidates', 'the answer has no candidate');
  const reason = asString(get(candidate, 'finishReason')) ?? '';
  const failure = failures[reason];
  if (failure !== undefined) throw new ConversionError('malformed', 'candidates[0]', failure);
  const parts = withoutRepeated(decodeAnswer(candidate, context));
  const finish = candidate === undefined ? 'content-filter' : (finishOf(reason) ?? 'stop');
  const called = parts.some((part) => part.type === 'tool-call');
  return {
    id: asText(get(fields, 'responseId')),
    model: asText(get(fields, 'modelVersion')),
    created: undefined,
    parts,
    finish: called && finish === 'stop' ? 'tool-calls' : finish,
    stopSequence: undefined,
    usage: parseUsage('gemini', fields),
    serviceTier: undefined,
  };
}

/** The prompt was refused, which is an answer without candidates. */
export function isBlocked(fields: Fields): boolean {
  return asText(get(getFields(fields, 'promptFeedback'), 'blockReason')) !== undefined;
}

/** Texts come in pieces also in whole answers; neighbours of one kind are one. */
function decodeAnswer(candidate: Fields | undefined, context: AnswerContext): AnswerPart[] {
  const ledger = new CallLedger();
  const parts: AnswerPart[] = [];
  for (const [index, fields] of objectsOf(asFields(candidate?.content)?.parts).entries()) {
    for (const part of decodePart(fields, `candidates[0].content.parts[${index}]`, ledger, context.drops)) {
      if (part.type === 'document' || part.type === 'audio' || part.type === 'tool-result') context.drops.add('answer-audio', 'parts');
      else if (part.type === 'tool-call' && asText(getFields(fields, 'functionCall')?.id) === undefined) {
        parts.push({ ...part, id: context.id('call_') });
      } else addPart(parts, part);
    }
  }
  const grounding = getFields(candidate, 'groundingMetadata');
  if (grounding !== undefined) addGrounding(grounding, parts);
  return parts;
}

function addPart(parts: AnswerPart[], part: AnswerPart): void {
  const last = parts.at(-1);
  if (part.type === 'text' && last?.type === 'text') last.text += part.text;
  else if (part.type === 'reasoning' && last?.type === 'reasoning' && last.seal?.data === '' && part.seal?.origin === 'gemini') {
    last.text += part.text;
    last.seal = part.seal;
  } else parts.push(part);
}

/** What Google searched for and found; the sources count for the whole text. */
export function decodeGrounding(grounding: Fields): { search: SearchPart | undefined; citations: Citation[] } {
  const queries = textsOf(get(grounding, 'webSearchQueries'));
  const citations = objectsOf(get(grounding, 'groundingChunks')).flatMap((chunk) => {
    const web = asFields(chunk.web);
    const url = asText(get(web, 'uri'));
    return url === undefined ? [] : [{ url, title: asString(web?.title) ?? '' }];
  });
  if (queries.length === 0 && citations.length === 0) return { search: undefined, citations };
  return { search: { type: 'search', queries, results: citations }, citations };
}

function addGrounding(grounding: Fields, parts: AnswerPart[]): void {
  const { search, citations } = decodeGrounding(grounding);
  const text = parts.find((part) => part.type === 'text');
  if (text !== undefined && citations.length > 0) text.citations = citations;
  if (search !== undefined) parts.unshift(search);
}

export function encodeResponse(response: ChatResponse, context: AnswerContext): Fields {
  const parts = encodeAnswer(response.parts, response.finish === 'length', context.drops);
  const candidate: Fields = { content: { parts, role: 'model' }, finishReason: finishReasonOf(response.finish), index: 0 };
  const grounding = encodeGrounding(
    response.parts.filter((part) => part.type === 'search'),
    response.parts.flatMap((part) => (part.type === 'text' ? (part.citations ?? []) : [])),
  );
  if (grounding !== undefined) candidate.groundingMetadata = grounding;
  const body: Fields = {
    candidates: [candidate],
    usageMetadata: encodeUsage(response.usage),
    modelVersion: response.model ?? context.model,
    responseId: response.id ?? context.id('resp_'),
  };
  return context.wrapped ? { response: body } : body;
}

function encodeAnswer(parts: readonly AnswerPart[], cut: boolean, drops: DropLog): Fields[] {
  const encoded: Fields[] = [];
  let reasoning: ReasoningPart[] = [];
  for (const part of parts) {
    switch (part.type) {
      case 'text':
      case 'refusal':
        encoded.push({ text: part.text });
        break;
      case 'reasoning':
        reasoning.push(part);
        if (part.text !== '') encoded.push({ text: part.text, thought: true });
        break;
      case 'tool-call':
        encoded.push(...encodeCall(part, reasoning, cut, drops));
        reasoning = [];
        break;
      case 'image':
        if (part.source.kind === 'base64') encoded.push({ inlineData: { mimeType: part.source.mediaType, data: part.source.data } });
        break;
      case 'search':
        break;
      default:
        assertNever(part);
    }
  }
  return encoded;
}

/**
 * A call as a part. Arguments are an object here, so a call that the token limit cut has to be left out. The reasoning
 * before it rides on it: Gemini's clients send back nothing else of it.
 */
export function encodeCall(call: { id: string; name: string; input: string }, reasoning: readonly ReasoningPart[], cut: boolean, drops: DropLog): Fields[] {
  const args = call.input.trim() === '' ? {} : asFields(parseJson(call.input));
  if (args === undefined) {
    drops.add(cut ? 'answer-tool-cut' : 'answer-arguments', 'parts');
    if (cut) return [];
  }
  const part: Fields = { functionCall: { id: call.id, name: call.name, args: args ?? { arguments: call.input } } };
  const own = reasoning.find((piece) => piece.seal?.origin === 'gemini' && piece.seal.data !== '')?.seal;
  const signature = own === undefined ? writeBundle(reasoning) : writeSeal('gemini', own);
  if (signature !== undefined) part.thoughtSignature = signature;
  return [part];
}

export function encodeGrounding(searches: readonly SearchPart[], citations: readonly Citation[]): Fields | undefined {
  const sources = new Map<string, string>();
  for (const { url, title } of [...searches.flatMap((search) => search.results), ...citations]) {
    if (url !== '' && (sources.get(url) ?? '') === '') sources.set(url, title);
  }
  const queries = searches.flatMap((search) => search.queries);
  if (queries.length === 0 && sources.size === 0) return undefined;
  return {
    webSearchQueries: queries,
    groundingChunks: [...sources].map(([uri, title]) => ({ web: { uri, title } })),
  };
}

/** Usage in Gemini's words: the prompt includes what came from a cache; thoughts stand beside the candidates. */
export function encodeUsage(usage: Usage = emptyUsage()): Fields {
  const counts: Fields = {
    promptTokenCount: inputTotal(usage),
    candidatesTokenCount: usage.output - usage.reasoning,
    totalTokenCount: usageTotal(usage),
  };
  if (usage.reasoning > 0) counts.thoughtsTokenCount = usage.reasoning;
  if (usage.cacheRead > 0) counts.cachedContentTokenCount = usage.cacheRead;
  return counts;
}
