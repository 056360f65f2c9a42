import type { ChatRequest, Tool, ToolChoice, WebSearch } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asNumber, asString, objectsOf, put, textsOf, unreadNames } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import type { EncodeContext } from '../protocol.ts';
import { objectSchema } from '../schema.ts';
import { choiceOf, customAsFunction, decodeLocation, onlyAllowed } from '../tools.ts';
import { anthropicTraits } from '../traits.ts';
import { cacheOf } from './blocks.ts';
import { serverTools, toolFields } from './types.ts';

/** Reads `tools` into the request. */
export function decodeTools(body: Fields, request: ChatRequest, drops: DropLog): void {
  const tools = objectsOf(body.tools);
  // Where Anthropic itself would search for deferred tools, the target cannot: then all are sent.
  const searched = tools.some((tool) => asString(tool.type)?.startsWith('tool_search_tool') === true);
  const loaded = searched ? undefined : loadedTools(body.messages);
  for (const [index, tool] of tools.entries()) {
    const path = `tools[${index}]`;
    const type = asText(tool.type) ?? 'custom';
    if (type === 'custom') {
      const name = asText(tool.name);
      if (name === undefined) throw malformed(path, 'has no name');
      if (tool.defer_loading === true && loaded?.has(name) === false) drops.add('deferred-tools', path);
      else request.tools.push(decodeTool(tool, name, path, drops));
    } else if (type.startsWith('web_search')) request.webSearch = decodeWebSearch(tool);
    else if (serverTools.test(type)) drops.add('server-tool', path);
    else throw drops.refuse('client-tool', path);
  }
}

function decodeTool(fields: Fields, name: string, path: string, drops: DropLog): Tool {
  if (unreadNames(fields, toolFields).length > 0) drops.add('tool-fields', path);
  const tool: Tool = { name, schema: asFields(fields.input_schema) ?? {}, ...cacheOf(fields) };
  const description = asText(fields.description);
  if (description !== undefined) tool.description = description;
  const strict = asBoolean(fields.strict);
  if (strict !== undefined) tool.strict = strict;
  return tool;
}

/** Names that the conversation has already referred to or called: the model knows these deferred tools by now. */
function loadedTools(messages: unknown): Set<string> {
  const names = new Set<string>();
  const visit = (content: unknown): void => {
    for (const block of objectsOf(content)) {
      const name = block.type === 'tool_reference' ? asText(block.tool_name) : block.type === 'tool_use' ? asText(block.name) : undefined;
      if (name !== undefined) names.add(name);
      visit(block.content);
    }
  };
  for (const message of objectsOf(messages)) visit(message.content);
  return names;
}

function decodeWebSearch(tool: Fields): WebSearch {
  const search: WebSearch = {};
  const allowed = textsOf(tool.allowed_domains);
  const blocked = textsOf(tool.blocked_domains);
  if (allowed.length > 0) search.allowedDomains = allowed;
  if (blocked.length > 0) search.blockedDomains = blocked;
  const maxUses = asNumber(tool.max_uses);
  if (maxUses !== undefined) search.maxUses = maxUses;
  const location = asFields(tool.user_location);
  if (location) search.location = decodeLocation(location);
  return search;
}

/** Reads `tool_choice` into the request. */
export function decodeToolChoice(value: unknown, request: ChatRequest): void {
  const choice = asFields(value);
  if (choice === undefined) return;
  if (choice.disable_parallel_tool_use === true) request.parallelTools = false;
  if (choice.type === 'any') request.toolChoice = { type: 'required' };
  else if (choice.type === 'tool') request.toolChoice = { type: 'tool', name: asString(choice.name) ?? '' };
  else if (choice.type === 'none') request.toolChoice = { type: 'none' };
  else request.toolChoice = { type: 'auto' };
}

/** Writes `tools` and `tool_choice`. */
export function encodeTools(request: ChatRequest, body: Fields, context: EncodeContext): void {
  const { drops } = context;
  const structured = anthropicTraits(context.targetModel).structured;
  const tools = onlyAllowed(request, drops).map((tool) => encodeTool(tool, structured, context));
  if (request.webSearch !== undefined) tools.push(encodeWebSearch(request.webSearch, drops));
  const choice = encodeChoice(choiceOf(request, drops), request, context);
  if (tools.length > 0) {
    body.tools = tools;
    put(body, 'tool_choice', choice);
    return;
  }
  const called = toolsOfHistory(request, context);
  if (called.length === 0) return;
  // Calls and results without `tools` are refused.
  drops.add('tools-of-history', 'tools');
  body.tools = called;
  body.tool_choice = { type: 'none' };
}

function encodeTool(tool: Tool, structured: boolean, context: EncodeContext): Fields {
  const name = context.names.wire(tool.name, tool.namespace, tool.custom !== undefined);
  const { description, schema } =
    tool.custom === undefined
      ? { description: tool.description, schema: objectSchema(tool.schema) }
      : customAsFunction(tool, context.drops);
  const fields: Fields = { name };
  put(fields, 'description', description);
  fields.input_schema = schema;
  if (tool.strict === true) {
    if (structured) fields.strict = true;
    else context.drops.add('strict-tools', `tool ${tool.name}`);
  }
  if (tool.cache !== undefined) fields.cache_control = { type: 'ephemeral', ...tool.cache };
  return fields;
}

function encodeWebSearch(search: WebSearch, drops: DropLog): Fields {
  if (search.contextSize !== undefined) drops.add('web-search-options', 'tools');
  const fields: Fields = { type: 'web_search_20250305', name: 'web_search' };
  put(fields, 'max_uses', search.maxUses);
  put(fields, 'allowed_domains', search.allowedDomains);
  put(fields, 'blocked_domains', search.blockedDomains);
  if (search.location !== undefined) fields.user_location = { type: 'approximate', ...search.location };
  return fields;
}

function encodeChoice(choice: ToolChoice | undefined, request: ChatRequest, context: EncodeContext): Fields | undefined {
  const serial: Fields = request.parallelTools === false ? { disable_parallel_tool_use: true } : {};
  if (choice === undefined) return request.parallelTools === false ? { type: 'auto', ...serial } : undefined;
  switch (choice.type) {
    case 'none':
      return { type: 'none' };
    case 'auto':
      return { type: 'auto', ...serial };
    case 'required':
      return { type: 'any', ...serial };
    case 'tool':
      return { type: 'tool', name: context.names.wire(choice.name, choice.namespace, choice.custom === true), ...serial };
    case 'allowed':
      return { type: choice.required ? 'any' : 'auto', ...serial };
  }
}

function toolsOfHistory(request: ChatRequest, context: EncodeContext): Fields[] {
  const names = new Set<string>();
  for (const turn of request.turns) {
    for (const part of turn.parts) {
      if (part.type === 'tool-call') names.add(context.names.wire(part.name, part.namespace, part.custom === true));
    }
  }
  return [...names].map((name) => ({ name, input_schema: { type: 'object', properties: {} } }));
}
