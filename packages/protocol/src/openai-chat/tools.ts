import type { ChatRequest, Tool, ToolChoice, WebSearch } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asBoolean, asString, objectsOf, put } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import { encodeFunction } from '../openai.ts';
import type { EncodeContext } from '../protocol.ts';
import { choiceOf, decodeLocation, onlyAllowed } from '../tools.ts';
import { openAiTraits } from '../traits.ts';

/** Reads `tools`, `tool_choice`, `parallel_tool_calls` and `web_search_options`. */
export function decodeTools(body: Fields, request: ChatRequest, drops: DropLog): void {
  if (body.functions != null || body.function_call != null) throw drops.refuse('functions', body.functions == null ? 'function_call' : 'functions');
  for (const [index, tool] of objectsOf(body.tools).entries()) request.tools.push(decodeTool(tool, `tools[${index}]`, drops));
  request.parallelTools = asBoolean(body.parallel_tool_calls);
  request.toolChoice = decodeChoice(body.tool_choice);
  const search = asFields(body.web_search_options);
  if (search) request.webSearch = decodeWebSearch(search);
}

function decodeTool(tool: Fields, path: string, drops: DropLog): Tool {
  if (tool.type === 'custom') return decodeCustom(asFields(tool.custom) ?? {}, path);
  const definition = asFields(tool.function);
  if (definition === undefined) throw drops.refuse('client-tool', path);
  const name = asText(definition.name);
  if (name === undefined) throw malformed(`${path}.function`, 'has no name');
  const decoded: Tool = { name, schema: asFields(definition.parameters) ?? {} };
  const description = asText(definition.description);
  if (description !== undefined) decoded.description = description;
  const strict = asBoolean(definition.strict);
  if (strict !== undefined) decoded.strict = strict;
  if (asFields(tool.cache_control) !== undefined) decoded.cache = {};
  return decoded;
}

/** A tool that takes free text; `format` is nested here (`grammar.definition`) and flat in Responses. */
function decodeCustom(custom: Fields, path: string): Tool {
  const name = asText(custom.name);
  if (name === undefined) throw malformed(`${path}.custom`, 'has no name');
  const format = asFields(custom.format);
  const grammar = asFields(format?.grammar);
  const decoded: Tool = { name, custom: format === undefined ? {} : { format: { ...format, ...grammar } } };
  const description = asText(custom.description);
  if (description !== undefined) decoded.description = description;
  return decoded;
}

function decodeChoice(value: unknown): ToolChoice | undefined {
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value };
  const choice = asFields(value);
  if (choice === undefined) return undefined;
  if (choice.type === 'custom') return { type: 'tool', name: asString(asFields(choice.custom)?.name) ?? '', custom: true };
  if (choice.type !== 'allowed_tools') return { type: 'tool', name: asString(asFields(choice.function)?.name) ?? '' };
  const allowed = asFields(choice.allowed_tools) ?? choice;
  const names = objectsOf(allowed.tools).map((tool) => asString(asFields(tool.function)?.name) ?? asString(asFields(tool.custom)?.name) ?? '');
  return { type: 'allowed', names, required: allowed.mode === 'required' };
}

function decodeWebSearch(options: Fields): WebSearch {
  const search: WebSearch = {};
  const size = asText(options.search_context_size);
  if (size !== undefined) search.contextSize = size;
  const location = asFields(options.user_location);
  if (location) search.location = decodeLocation(asFields(location.approximate) ?? location);
  return search;
}

/** Writes `tools`, `tool_choice`, `parallel_tool_calls` and `web_search_options`. */
export function encodeTools(request: ChatRequest, body: Fields, context: EncodeContext): void {
  const { drops } = context;
  const { official, search } = openAiTraits(context.targetModel);
  const choice = choiceOf(request, drops);
  const tools = official ? request.tools : onlyAllowed(request, drops);
  if (tools.length > 0) {
    body.tools = tools.map((tool) => {
      const { name, description, parameters, strict } = encodeFunction(tool, context);
      const definition: Fields = { name };
      put(definition, 'description', description);
      definition.parameters = parameters;
      if (strict) definition.strict = true;
      return { type: 'function', function: definition };
    });
    put(body, 'tool_choice', encodeChoice(choice, official, context));
    put(body, 'parallel_tool_calls', request.parallelTools);
  }
  if (request.webSearch === undefined) return;
  if (search) body.web_search_options = encodeWebSearch(request.webSearch, drops);
  else drops.add('web-search-unsupported', 'tools');
}

function encodeChoice(choice: ToolChoice | undefined, official: boolean, context: EncodeContext): unknown {
  switch (choice?.type) {
    case undefined:
      return undefined;
    case 'tool':
      return { type: 'function', function: { name: context.names.wire(choice.name, choice.namespace, choice.custom === true) } };
    case 'allowed': {
      const mode = choice.required ? 'required' : 'auto';
      if (!official) return mode;
      const tools = choice.names.map((name) => ({ type: 'function', function: { name: context.names.wire(name) } }));
      return { type: 'allowed_tools', allowed_tools: { mode, tools } };
    }
    default:
      return choice?.type;
  }
}

function encodeWebSearch(search: WebSearch, drops: DropLog): Fields {
  if (search.allowedDomains !== undefined || search.blockedDomains !== undefined || search.maxUses !== undefined) {
    drops.add('web-search-options', 'tools');
  }
  const options: Fields = {};
  put(options, 'search_context_size', search.contextSize);
  if (search.location !== undefined) options.user_location = { type: 'approximate', approximate: search.location };
  return options;
}
