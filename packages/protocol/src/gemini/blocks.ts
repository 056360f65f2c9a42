import type { DocumentPart, ImagePart, MediaSource, Part, ReasoningPart, ToolCallPart, ToolResultPart, Turn } from '../chat.ts';
import { assertNever } from '../chat.ts';
import type { DropLog } from '../drops.ts';
import { asString, objectsOf } from '../fields.ts';
import { asFields, asText, parseJson } from '../json.ts';
import type { Fields } from '../json.ts';
import { base64Text, inlineDocument, mediaTypeOfUrl } from '../media.ts';
import type { EncodeContext } from '../protocol.ts';
import { readBundle, readSeal } from '../seal.ts';
import { geminiTraits } from '../traits.ts';
import { asReminders, ownReasoning } from '../turns.ts';
import { get, getFields } from './types.ts';

/** Google's own word for a call whose signature is not at hand; without any, models from generation 3 on refuse the turn. */
export const anySignature = 'skip_thought_signature_validator';

/** Pairs function responses with calls: by id where both have one, else by name and order. */
export class CallLedger {
  readonly #open: { id: string; name: string }[] = [];
  #count = 0;

  /** The id of a call; counted up if it has none, the same in every later request with the same history. */
  call(id: string | undefined, name: string): string {
    this.#count += 1;
    const known = id ?? `call_${this.#count}_${name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 24)}`;
    this.#open.push({ id: known, name });
    return known;
  }

  /** The id of the call that a response answers. */
  answer(id: string | undefined, name: string): string {
    const byId = id === undefined ? -1 : this.#open.findIndex((call) => call.id === id);
    const index = byId >= 0 ? byId : this.#open.findIndex((call) => call.name === name);
    if (index < 0) return id ?? `call_unknown_${name}`;
    return this.#open.splice(index, 1)[0]?.id ?? '';
  }
}

export function decodeTurn(content: Fields, path: string, ledger: CallLedger, drops: DropLog): Turn {
  const role = content.role === 'model' ? 'assistant' : 'user';
  const parts = objectsOf(content.parts).flatMap((part, index) => decodePart(part, `${path}.parts[${index}]`, ledger, drops));
  return { role, parts: withoutRepeated(parts) };
}

/** Clients that do send thoughts back send them twice: as they were shown, and in the signature that this hub made of them. */
export function withoutRepeated<Some extends Part>(parts: Some[]): Some[] {
  const bundled = parts.flatMap((part) => (part.type === 'reasoning' && part.seal?.origin !== 'gemini' ? [part.text] : []));
  if (bundled.length === 0) return parts;
  const repeated = (text: string): boolean => bundled.some((whole) => whole.includes(text));
  return parts.filter((part) => part.type !== 'reasoning' || part.seal?.origin !== 'gemini' || part.seal.data !== '' || !repeated(part.text));
}

/** One part of a conversation or of an answer. */
export function decodePart(part: Fields, path: string, ledger: CallLedger, drops: DropLog): Part[] {
  const signature = asText(get(part, 'thoughtSignature'));
  const text = asString(part.text);
  if (text !== undefined) return decodeText(text, part.thought === true, signature, drops);
  const call = getFields(part, 'functionCall');
  if (call !== undefined) return [...sealed(signature), decodeCall(call, ledger)];
  const response = getFields(part, 'functionResponse');
  if (response !== undefined) return [decodeResponsePart(response, path, ledger, drops)];
  const inline = getFields(part, 'inlineData');
  if (inline !== undefined) return [mediaPart({ kind: 'base64', mediaType: mimeOf(inline), data: asString(inline.data) ?? '' }, asText(get(inline, 'displayName')))];
  const file = getFields(part, 'fileData');
  if (file !== undefined) return [mediaPart(fileSource(file), asText(get(file, 'displayName')))];
  if (getFields(part, 'executableCode') !== undefined || getFields(part, 'codeExecutionResult') !== undefined) {
    drops.add('server-tool-history', path);
    return [];
  }
  if (Object.keys(part).every((name) => name === 'thought' || name.startsWith('thought'))) return sealed(signature);
  throw drops.refuse('unknown-content', path);
}

function decodeText(text: string, thought: boolean, signature: string | undefined, drops: DropLog): Part[] {
  if (thought) {
    const seal = signature === undefined ? { origin: 'gemini' as const, data: '' } : readSeal('gemini', signature);
    return text === '' ? [] : [{ type: 'reasoning', text, seal }];
  }
  // Optional on texts, and no other dialect has a place for it there.
  if (signature !== undefined) drops.add('text-signature', 'thoughtSignature');
  return text === '' ? [] : [{ type: 'text', text }];
}

/** What a call's signature holds: reasoning that this hub put there, or Gemini's own seal. */
function sealed(signature: string | undefined): ReasoningPart[] {
  if (signature === undefined || signature === anySignature) return [];
  return readBundle(signature) ?? [{ type: 'reasoning', text: '', seal: { origin: 'gemini', data: signature } }];
}

function decodeCall(call: Fields, ledger: CallLedger): ToolCallPart {
  const name = asString(call.name) ?? '';
  return { type: 'tool-call', id: ledger.call(asText(call.id), name), name, input: JSON.stringify(asFields(call.args) ?? {}) };
}

function decodeResponsePart(response: Fields, path: string, ledger: CallLedger, drops: DropLog): ToolResultPart {
  const name = asString(response.name) ?? '';
  const value = asFields(response.response) ?? {};
  const parts: ToolResultPart['parts'] = [];
  const text = resultText(value);
  if (text !== '') parts.push({ type: 'text', text });
  for (const [index, inner] of objectsOf(response.parts).entries()) {
    for (const part of decodePart(inner, `${path}.parts[${index}]`, ledger, drops)) {
      if (part.type === 'image' || part.type === 'document' || part.type === 'text') parts.push(part);
    }
  }
  const names = Object.keys(value);
  return { type: 'tool-result', id: ledger.answer(asText(response.id), name), name, parts, failed: names.length === 1 && names[0] === 'error' };
}

/** Results are objects here; one that only wraps a text is that text. */
function resultText(value: Fields): string {
  const [name, ...others] = Object.keys(value);
  if (name === undefined) return '';
  const only = value[name];
  if (others.length === 0 && ['output', 'result', 'content', 'error'].includes(name) && typeof only === 'string') return only;
  return JSON.stringify(value);
}

function mimeOf(fields: Fields): string {
  return asString(get(fields, 'mimeType')) ?? '';
}

function fileSource(file: Fields): MediaSource {
  const uri = asString(get(file, 'fileUri')) ?? '';
  const stored = !/^https?:/.test(uri) || uri.includes('generativelanguage.googleapis.com');
  if (stored) return { kind: 'file', id: uri, vendor: 'google' };
  return { kind: 'url', url: uri, mediaType: mimeOf(file) };
}

function mediaPart(source: MediaSource, name: string | undefined): Part {
  const mediaType = source.kind === 'file' ? '' : (source.mediaType ?? '');
  if (mediaType.startsWith('audio/')) return { type: 'audio', source };
  if (mediaType.startsWith('image/')) return { type: 'image', source };
  return name === undefined ? { type: 'document', source } : { type: 'document', source, name };
}

/** The turns as `contents`: roles alternate, and every function response names its function. */
export function encodeTurns(turns: readonly Turn[], context: EncodeContext): Fields[] {
  const contents: { role: string; parts: Fields[] }[] = [];
  for (const turn of asReminders(turns, context.drops)) {
    const parts = encodeParts(turn.parts, context);
    const role = turn.role === 'assistant' ? 'model' : 'user';
    const last = contents.at(-1);
    // A turn may vanish, so that two of one role meet.
    if (last?.role === role) last.parts.push(...parts);
    else if (parts.length > 0) contents.push({ role, parts });
  }
  return contents;
}

/** A seal stands on the call after the reasoning that it belongs to; of parallel calls only the first has one. */
function encodeParts(parts: readonly Part[], context: EncodeContext): Fields[] {
  const encoded: Fields[] = [];
  // After all results, which have to stand together.
  const media: Fields[] = [];
  const demanded = geminiTraits(context.targetModel).third;
  let signature: string | undefined;
  let called = false;
  for (const part of parts) {
    if (part.type === 'reasoning') {
      signature = ownReasoning(part, context)?.seal?.data ?? signature;
    } else if (part.type === 'tool-call') {
      const fields = encodeCall(part, context);
      if (signature !== undefined) fields.thoughtSignature = signature;
      else if (demanded && !called) {
        context.drops.add('signature-missing', `tool call ${part.name}`);
        fields.thoughtSignature = anySignature;
      }
      signature = undefined;
      called = true;
      encoded.push(fields);
    } else if (part.type === 'tool-result') encoded.push(encodeResult(part, media, context));
    else encoded.push(...media.splice(0), ...encodePart(part, context));
  }
  return [...encoded, ...media];
}

function encodeCall(part: ToolCallPart, context: EncodeContext): Fields {
  const name = context.names.wire(part.name, part.namespace, part.custom === true);
  return { functionCall: { id: part.id, name, args: callArguments(part, context.drops) } };
}

function callArguments(part: ToolCallPart, drops: DropLog): Fields {
  if (part.custom === true) return { input: part.input };
  const args = part.input.trim() === '' ? {} : asFields(parseJson(part.input));
  if (args !== undefined) return args;
  drops.add('tool-arguments', `tool call ${part.name}`);
  return { arguments: part.input };
}

function encodePart(part: Exclude<Part, ReasoningPart | ToolCallPart | ToolResultPart>, context: EncodeContext): Fields[] {
  const { drops } = context;
  switch (part.type) {
    case 'text':
      if (part.citations !== undefined) drops.add('citations', 'contents');
      return [{ text: part.text }];
    case 'refusal':
      drops.add('refusal-history', 'contents');
      return [{ text: part.text }];
    case 'image':
      return [encodeImage(part, drops)];
    case 'document':
      return [encodeDocument(part, drops)];
    case 'audio':
      return [encodeMedia(part.source, 'audio/wav', 'audio-file', drops)];
    case 'search':
      drops.add('search-history', 'contents');
      return [];
    default:
      return assertNever(part);
  }
}

function encodeImage(part: ImagePart, drops: DropLog): Fields {
  if (part.detail !== undefined && part.detail !== 'auto') drops.add('image-detail', 'contents');
  return encodeMedia(part.source, 'image/jpeg', 'image-file', drops);
}

function encodeMedia(source: MediaSource, otherwise: string, code: 'image-file' | 'document-file' | 'audio-file', drops: DropLog): Fields {
  if (source.kind === 'base64') return { inlineData: { mimeType: source.mediaType, data: source.data } };
  if (source.kind === 'url') {
    return { fileData: { mimeType: source.mediaType || mediaTypeOfUrl(source.url, otherwise), fileUri: source.url } };
  }
  throw drops.refuse(code, 'contents');
}

function encodeDocument(part: DocumentPart, drops: DropLog): Fields {
  const { source } = part;
  const text = source.kind === 'text' ? source.text : source.kind === 'base64' ? base64Text(source) : undefined;
  if (text !== undefined) {
    drops.add('document-text', 'contents');
    return { text: inlineDocument(part, text) };
  }
  return source.kind === 'text' ? {} : encodeMedia(source, 'application/pdf', 'document-file', drops);
}

/** Images inside results are new; for older models they follow in `beside`. */
function encodeResult(part: ToolResultPart, beside: Fields[], context: EncodeContext): Fields {
  const texts: string[] = [];
  const media: Fields[] = [];
  for (const inner of part.parts) {
    if (inner.type === 'text') texts.push(inner.text);
    else if (inner.type === 'image') media.push(encodeImage(inner, context.drops));
    else {
      const encoded = encodeDocument(inner, context.drops);
      if (typeof encoded.text === 'string') texts.push(encoded.text);
      else media.push(encoded);
    }
  }
  const name = context.names.wire(part.name ?? 'unknown', part.namespace, part.custom === true);
  const response = { [part.failed ? 'error' : 'output']: texts.join('\n\n') };
  const result: Fields = { id: part.id, name, response };
  if (media.length === 0) return { functionResponse: result };
  if (geminiTraits(context.targetModel).third) return { functionResponse: { ...result, parts: media } };
  context.drops.add('tool-result-media', `tool call ${part.id}`);
  beside.push({ text: `[From the result of tool call ${part.id}:]` }, ...media);
  return { functionResponse: result };
}
