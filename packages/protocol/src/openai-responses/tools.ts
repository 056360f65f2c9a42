import type { ChatRequest, Tool, ToolChoice, WebSearch } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asString, objectsOf, put, textsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { encodeFunction } from '../openai.ts';
import type { EncodeContext } from '../protocol.ts';
import { choiceOf, decodeLocation } from '../tools.ts';
import { serverTools } from './types.ts';

/** Reads a list of tools, top-level or of an `additional_tools` item, into the request. */
export function decodeTools(tools: unknown, path: string, request: ChatRequest, drops: DropLog): void {
  for (const [index, tool] of objectsOf(tools).entries()) decodeTool(tool, `${path}[${index}]`, request, drops);
}

function decodeTool(tool: Fields, path: string, request: ChatRequest, drops: DropLog): void {
  const type = asString(tool.type) ?? '';
  if (type === 'function' || type === 'custom') addTool(request, decodeDefinition(tool, path));
  else if (type === 'namespace') {
    const namespace = asString(tool.name) ?? '';
    if (asText(tool.description) !== undefined) drops.add('namespace-description', path);
    for (const [index, inner] of objectsOf(tool.tools).entries()) {
      const place = `${path}.tools[${index}]`;
      if (inner.type === 'function' || inner.type === 'custom') addTool(request, { ...decodeDefinition(inner, place), namespace });
      else decodeTool(inner, place, request, drops);
    }
  } else if (type.startsWith('web_search')) request.webSearch = decodeWebSearch(tool);
  else if (serverTools.has(type)) drops.add('server-tool', path);
  else throw drops.refuse('client-tool', path);
}

/** Codex lists a tool again when it loads it anew; the newest definition counts. */
function addTool(request: ChatRequest, tool: Tool): void {
  const known = request.tools.findIndex((other) => other.name === tool.name && other.namespace === tool.namespace);
  if (known < 0) request.tools.push(tool);
  else request.tools[known] = tool;
}

function decodeDefinition(fields: Fields, path: string): Tool {
  const name = asText(fields.name);
  if (name === undefined) throw malformed(path, 'has no name');
  const tool: Tool = { name };
  const description = asText(fields.description);
  if (description !== undefined) tool.description = description;
  if (fields.type === 'custom') {
    const format = asFields(fields.format);
    tool.custom = format === undefined ? {} : { format };
    return tool;
  }
  tool.schema = asFields(fields.parameters) ?? {};
  const strict = asBoolean(fields.strict);
  if (strict !== undefined) tool.strict = strict;
  return tool;
}

function decodeWebSearch(tool: Fields): WebSearch {
  const search: WebSearch = {};
  const allowed = textsOf(asFields(tool.filters)?.allowed_domains);
  const blocked = textsOf(asFields(tool.filters)?.blocked_domains);
  if (allowed.length > 0) search.allowedDomains = allowed;
  if (blocked.length > 0) search.blockedDomains = blocked;
  const size = asText(tool.search_context_size);
  if (size !== undefined) search.contextSize = size;
  const location = asFields(tool.user_location);
  if (location) search.location = decodeLocation(location);
  return search;
}

export function decodeChoice(value: unknown, drops: DropLog): ToolChoice | undefined {
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value };
  const choice = asFields(value);
  if (choice === undefined) return undefined;
  if (choice.type === 'function' || choice.type === 'custom') {
    const named: ToolChoice = { type: 'tool', name: asString(choice.name) ?? '', custom: choice.type === 'custom' };
    const namespace = asText(choice.namespace);
    return namespace === undefined ? named : { ...named, namespace };
  }
  if (choice.type === 'allowed_tools') {
    const names = objectsOf(choice.tools).map((tool) => asString(tool.name) ?? '');
    return { type: 'allowed', names, required: choice.mode === 'required' };
  }
  drops.add('tool-choice-hosted', 'tool_choice');
  return { type: 'auto' };
}

/** Writes `tools`, `tool_choice` and `parallel_tool_calls`. */
export function encodeTools(request: ChatRequest, body: Fields, context: EncodeContext): void {
  const { drops } = context;
  const choice = choiceOf(request, drops);
  const tools = request.tools.map((tool) => encodeTool(tool, context));
  if (request.webSearch !== undefined) tools.push(encodeWebSearch(request.webSearch, drops));
  if (tools.length === 0) return;
  body.tools = tools;
  put(body, 'tool_choice', encodeChoice(choice, context));
  put(body, 'parallel_tool_calls', request.parallelTools);
}

function encodeTool(tool: Tool, context: EncodeContext): Fields {
  if (tool.custom !== undefined) {
    const fields: Fields = { type: 'custom', name: context.names.wire(tool.name, tool.namespace, true) };
    put(fields, 'description', tool.description);
    const format = tool.custom.format;
    if (format !== undefined) {
      const { grammar: _, ...flat } = format;
      fields.format = flat;
    }
    return fields;
  }
  const { name, description, parameters, strict } = encodeFunction(tool, context);
  const fields: Fields = { type: 'function', name };
  put(fields, 'description', description);
  // Said in any case: this dialect is strict by default, which changes what optional properties mean.
  return { ...fields, parameters, strict };
}

function encodeWebSearch(search: WebSearch, drops: DropLog): Fields {
  if (search.blockedDomains !== undefined || search.maxUses !== undefined) drops.add('web-search-options', 'tools');
  const fields: Fields = { type: 'web_search' };
  if (search.allowedDomains !== undefined) fields.filters = { allowed_domains: search.allowedDomains };
  if (search.location !== undefined) fields.user_location = { type: 'approximate', ...search.location };
  put(fields, 'search_context_size', search.contextSize);
  return fields;
}

function encodeChoice(choice: ToolChoice | undefined, context: EncodeContext): unknown {
  switch (choice?.type) {
    case undefined:
      return undefined;
    case 'tool': {
      const custom = choice.custom === true;
      return { type: custom ? 'custom' : 'function', name: context.names.wire(choice.name, choice.namespace, custom) };
    }
    case 'allowed': {
      const tools = choice.names.map((name) => ({ type: 'function', name: context.names.wire(name) }));
      return { type: 'allowed_tools', mode: choice.required ? 'required' : 'auto', tools };
    }
    default:
      return choice?.type;
  }
}
