import type { ChatRequest, Tool, ToolChoice } from '../chat.ts';
import { malformed } from '../drops.ts';
import type { DropLog } from '../drops.ts';
import { asString, objectsOf, put, textsOf } from '../fields.ts';
import { asFields, asText } from '../json.ts';
import type { Fields } from '../json.ts';
import type { EncodeContext } from '../protocol.ts';
import { choiceOf, customAsFunction } from '../tools.ts';
import { geminiTraits } from '../traits.ts';
import { fromGeminiSchema, toGeminiSchema } from './schema.ts';
import { get, getFields } from './types.ts';

/** Reads `tools`: lists of functions, and one object for each tool that Google runs. */
export function decodeTools(tools: unknown, request: ChatRequest, drops: DropLog): void {
  for (const [index, tool] of objectsOf(tools).entries()) {
    const path = `tools[${index}]`;
    for (const name of Object.keys(tool)) {
      if (name === 'functionDeclarations' || name === 'function_declarations') {
        for (const [position, declaration] of objectsOf(tool[name]).entries()) {
          request.tools.push(decodeDeclaration(declaration, `${path}.${name}[${position}]`));
        }
      } else if (/^google_?search/i.test(name)) request.webSearch = {};
      else if (/^computer_?use$/i.test(name)) throw drops.refuse('client-tool', path);
      else drops.add('server-tool', path);
    }
  }
}

function decodeDeclaration(declaration: Fields, path: string): Tool {
  const name = asText(declaration.name);
  if (name === undefined) throw malformed(path, 'has no name');
  const schema = getFields(declaration, 'parametersJsonSchema') ?? getFields(declaration, 'parameters') ?? {};
  const tool: Tool = { name, schema: fromGeminiSchema(schema) };
  const description = asText(declaration.description);
  if (description !== undefined) tool.description = description;
  return tool;
}

export function decodeChoice(config: Fields | undefined): ToolChoice | undefined {
  const calling = getFields(config, 'functionCallingConfig');
  const names = textsOf(get(calling, 'allowedFunctionNames'));
  const [only] = names;
  switch (asString(calling?.mode)?.toUpperCase()) {
    case 'NONE':
      return { type: 'none' };
    case 'ANY':
      if (only !== undefined && names.length === 1) return { type: 'tool', name: only };
      return names.length === 0 ? { type: 'required' } : { type: 'allowed', names, required: true };
    case 'AUTO':
    case 'VALIDATED':
      return names.length === 0 ? { type: 'auto' } : { type: 'allowed', names, required: false };
    default:
      return undefined;
  }
}

/** Writes `tools` and `toolConfig`. */
export function encodeTools(request: ChatRequest, body: Fields, context: EncodeContext): void {
  const { drops } = context;
  const choice = choiceOf(request, drops);
  const tools: Fields[] = [];
  if (request.tools.length > 0) tools.push({ functionDeclarations: request.tools.map((tool) => encodeDeclaration(tool, context)) });
  if (request.webSearch !== undefined) {
    if (Object.keys(request.webSearch).length > 0) drops.add('web-search-options', 'tools');
    // Before generation 3 search and functions exclude each other.
    if (request.tools.length === 0 || geminiTraits(context.targetModel).third) tools.push({ googleSearch: {} });
    else drops.add('web-search-unsupported', 'tools');
  }
  if (tools.length > 0) body.tools = tools;
  if (request.tools.length === 0) return;
  if (request.parallelTools === false) drops.add('parallel-tools', 'parallel_tool_calls');
  const config = encodeChoice(choice, context);
  if (config !== undefined) body.toolConfig = { functionCallingConfig: config };
}

function encodeDeclaration(tool: Tool, context: EncodeContext): Fields {
  const { drops } = context;
  const name = context.names.wire(tool.name, tool.namespace, tool.custom !== undefined);
  const { description, schema } =
    tool.custom === undefined ? { description: tool.description, schema: tool.schema ?? {} } : customAsFunction(tool, drops);
  if (tool.strict === true) drops.add('strict-tools', `tool ${tool.name}`);
  const declaration: Fields = { name };
  put(declaration, 'description', description);
  put(declaration, 'parameters', toGeminiSchema({ type: 'object', ...schema }, drops));
  return declaration;
}

function encodeChoice(choice: ToolChoice | undefined, context: EncodeContext): Fields | undefined {
  switch (choice?.type) {
    case undefined:
    case 'auto':
      return undefined;
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [context.names.wire(choice.name, choice.namespace, choice.custom === true)] };
    case 'allowed':
      // Only `ANY` and `VALIDATED` look at the names.
      return { mode: choice.required ? 'ANY' : 'VALIDATED', allowedFunctionNames: choice.names.map((name) => context.names.wire(name)) };
  }
}

/** A `Schema` or JSON Schema as it stands in a request's or answer's description. */
export function schemaOf(value: unknown): Fields | undefined {
  const fields = asFields(value);
  return fields === undefined ? undefined : fromGeminiSchema(fields);
}
