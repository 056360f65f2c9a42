import type { Dialect } from './dialect.ts';
import { anySignature } from './gemini/blocks.ts';
import { asFields, asText } from './json.ts';
import type { Fields } from './json.ts';
import { isMarked } from './seal.ts';

/**
 * A conversation that was answered by way of conversion carries reasoning whose seal this hub wrote; an upstream of the
 * client's own dialect refuses it. Returns the body without such reasoning, or the very same body if there is none.
 * `which`: `marked` only what this hub wrote, `all` also what another provider of the same dialect sealed. The client's
 * body is not changed.
 */
export function stripReasoning(dialect: Dialect, body: Record<string, unknown>, which: 'marked' | 'all' = 'marked'): Record<string, unknown> {
  const foreign = (seal: unknown): boolean => {
    const text = asText(seal);
    return which === 'all' || (text !== undefined && isMarked(text));
  };
  switch (dialect) {
    case 'anthropic':
      return replaceList(body, 'messages', (message) => stripBlocks(message, foreign));
    case 'openai-responses':
      return replaceList(body, 'input', (item) => (item.type === 'reasoning' && foreign(item.encrypted_content) ? undefined : item));
    case 'openai-chat':
      return replaceList(body, 'messages', stripDetails);
    case 'gemini': {
      const inner = asFields(body.request);
      if (inner === undefined) return replaceList(body, 'contents', (content) => stripSignatures(content, foreign));
      const stripped = replaceList(inner, 'contents', (content) => stripSignatures(content, foreign));
      return stripped === inner ? body : { ...body, request: stripped };
    }
  }
}

/** `fields` with every object of one list replaced or left out; the same object if nothing changes. */
function replaceList(fields: Fields, name: string, change: (item: Fields) => Fields | undefined): Fields {
  const list = fields[name];
  if (!Array.isArray(list)) return fields;
  let changed = false;
  const kept: unknown[] = [];
  for (const item of list as unknown[]) {
    const object = asFields(item);
    const replaced = object === undefined ? item : change(object);
    if (replaced !== item) changed = true;
    if (replaced !== undefined) kept.push(replaced);
  }
  return changed ? { ...fields, [name]: kept } : fields;
}

/** A message that only thought is left out as a whole: upstreams refuse empty ones. */
function stripBlocks(message: Fields, foreign: (seal: unknown) => boolean): Fields | undefined {
  const stripped = replaceList(message, 'content', (block) => {
    if (block.type === 'thinking') return foreign(block.signature) ? undefined : block;
    return block.type === 'redacted_thinking' && foreign(block.data) ? undefined : block;
  });
  return Array.isArray(stripped.content) && stripped.content.length === 0 && stripped !== message ? undefined : stripped;
}

function stripDetails(message: Fields): Fields {
  if (message.reasoning_details === undefined) return message;
  const { reasoning_details: _, ...rest } = message;
  return rest;
}

function stripSignatures(content: Fields, foreign: (seal: unknown) => boolean): Fields {
  return replaceList(content, 'parts', (part) => {
    const signature = part.thoughtSignature ?? part.thought_signature;
    if (signature === undefined || signature === anySignature || !foreign(signature)) return part;
    const { thoughtSignature: _, thought_signature: __, ...rest } = part;
    // Models from generation 3 on refuse a call without any.
    return asFields(part.functionCall ?? part.function_call) === undefined ? rest : { ...rest, thoughtSignature: anySignature };
  });
}
