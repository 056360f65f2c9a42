import type { ChatRequest, Tool, ToolChoice, WebSearch } from './chat.ts';
import type { DropLog } from './drops.ts';
import type { Fields } from './json.ts';
import { asString } from './fields.ts';
import { asText } from './json.ts';
import { customArgument } from './tool-names.ts';

/** A custom tool for an upstream that only knows functions: one text argument, the format in the description. */
export function customAsFunction(tool: Tool, drops: DropLog): { description: string; schema: Fields } {
  drops.add('custom-tool', `tool ${tool.name}`);
  const format = tool.custom?.format ?? {};
  const definition = asString(format.definition);
  const lines = [tool.description ?? ''];
  if (definition !== undefined) {
    lines.push(`The ${customArgument} must match this ${asString(format.syntax) ?? ''} grammar:\n${definition}`);
  }
  const schema = {
    type: 'object',
    properties: { [customArgument]: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
    required: [customArgument],
    additionalProperties: false,
  };
  return { description: lines.filter((line) => line !== '').join('\n\n'), schema };
}

/** The tools that the model may use, for a target that cannot name a choice of them. */
export function onlyAllowed(request: ChatRequest, drops: DropLog): Tool[] {
  const choice = request.toolChoice;
  if (choice?.type !== 'allowed') return request.tools;
  drops.add('tool-choice-allowed', 'tool_choice');
  return request.tools.filter((tool) => choice.names.includes(tool.name));
}

/** The choice, unless there is nothing to choose from: upstreams refuse one without tools. */
export function choiceOf(request: ChatRequest, drops: DropLog): ToolChoice | undefined {
  if (request.tools.length > 0 || request.webSearch !== undefined) return request.toolChoice;
  if (request.toolChoice !== undefined || request.parallelTools !== undefined) drops.add('tool-choice-without-tools', 'tool_choice');
  return undefined;
}

/** The model must call a tool. */
export function isForced(choice: ToolChoice | undefined): boolean {
  return choice?.type === 'required' || choice?.type === 'tool' || (choice?.type === 'allowed' && choice.required);
}

/** A place as both Anthropic and OpenAI write it. */
export function decodeLocation(fields: Fields): NonNullable<WebSearch['location']> {
  const location: NonNullable<WebSearch['location']> = {};
  for (const name of ['city', 'region', 'country', 'timezone'] as const) {
    const value = asText(fields[name]);
    if (value !== undefined) location[name] = value;
  }
  return location;
}
