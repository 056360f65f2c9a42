import type { AnswerPart, ChatResponse } from '../chat.ts';
import { assertNever } from '../chat.ts';
import { ConversionError, malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asNumber, asString, objectsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import type { AnswerContext } from '../protocol.ts';
import { parseUsage } from '../usage.ts';
import { decodeCall, decodeContent, decodeReasoning, decodeSearch } from './blocks.ts';
import { annotation, callItem, encodeUsage, imageItem, messageItem, reasoningItem, responseObject, searchItem, textContent } from './items.ts';
import { finishOf, incompleteReasonOf } from './types.ts';

export function decodeResponse(body: unknown, context: AnswerContext): ChatResponse {
  const outer = asFields(body);
  // Some relays answer with the last event of the stream that they had.
  const fields = asFields(outer?.response) ?? outer;
  if (fields === undefined || !Array.isArray(fields.output)) throw malformed('output', 'the answer has no output');
  if (fields.status === 'failed') throw new ConversionError('malformed', 'status', 'the answer has failed');
  const parts = objectsOf(fields.output).flatMap((item, index) => decodeOutputItem(item, `output[${index}]`, context.drops));
  const finish = finishOf(fields);
  const last = parts.at(-1);
  return {
    id: asText(fields.id),
    model: asText(fields.model),
    created: asNumber(fields.created_at),
    parts,
    finish: finish !== 'stop' ? finish : parts.some((part) => part.type === 'tool-call') ? 'tool-calls' : last?.type === 'refusal' ? 'refusal' : 'stop',
    stopSequence: undefined,
    usage: parseUsage('openai-responses', fields),
    serviceTier: asText(fields.service_tier),
  };
}

/** One item of an answer. */
export function decodeOutputItem(item: Fields, path: string, drops: DropLog): AnswerPart[] {
  switch (item.type) {
    case 'message':
      return decodeContent(item.content, `${path}.content`, drops).filter((part) => part.type === 'text' || part.type === 'refusal');
    case 'reasoning':
      return [decodeReasoning(item)];
    case 'function_call':
    case 'custom_tool_call':
      return [decodeCall(item, item.type === 'custom_tool_call')];
    case 'web_search_call':
      return [decodeSearch(item)];
    case 'image_generation_call': {
      const data = asText(item.result);
      if (data === undefined) return [];
      return [{ type: 'image', source: { kind: 'base64', mediaType: `image/${asString(item.output_format) ?? 'png'}`, data } }];
    }
    default:
      drops.add('answer-server-tool', path);
      return [];
  }
}

export function encodeResponse(response: ChatResponse, context: AnswerContext): Fields {
  const output = response.parts.map((part) => encodePart(part, context));
  const refused = response.parts.some((part) => part.type === 'refusal');
  const incomplete = incompleteReasonOf(response.finish, refused);
  const head = { id: answerId(response.id, context), createdAt: response.created ?? context.now, model: response.model ?? context.model };
  if (response.finish === 'pause') context.drops.add('answer-pause', 'status');
  return responseObject(head, {
    status: incomplete === undefined ? 'completed' : 'incomplete',
    incomplete,
    output,
    usage: encodeUsage(response.usage),
  });
}

function encodePart(part: AnswerPart, context: AnswerContext): Fields {
  switch (part.type) {
    case 'text': {
      const annotations = (part.citations ?? []).map((citation) => annotation(citation, 0, part.text.length));
      return messageItem(context.id('msg_'), [textContent(part.text, annotations)]);
    }
    case 'refusal':
      return messageItem(context.id('msg_'), [{ type: 'refusal', refusal: part.text }]);
    case 'reasoning':
      return reasoningItem(context.id('rs_'), part.text, part.seal);
    case 'tool-call': {
      const custom = part.custom === true;
      return callItem({
        id: context.id(custom ? 'ctc_' : 'fc_'),
        callId: part.id,
        name: part.name,
        namespace: part.namespace,
        custom,
        input: part.input === '' && !custom ? '{}' : part.input,
        status: 'completed',
      });
    }
    case 'search':
      return searchItem(context.id('ws_'), part);
    case 'image':
      return imageItem(context.id('ig_'), part.source.kind === 'base64' ? part.source.data : '');
    default:
      return assertNever(part);
  }
}

/** The upstream's id where it is one of this dialect, else a fresh one. */
export function answerId(id: string | undefined, context: AnswerContext): string {
  return id?.startsWith('resp_') === true ? id : context.id('resp_');
}
