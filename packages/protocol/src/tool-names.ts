import { tooLarge } from './block-writer.ts';
import type { ChatEvent, Tool } from './chat.ts';
import type { Dialect } from './dialect.ts';
import { asFields, parseJson } from './json.ts';
import { asString } from './fields.ts';
import type { Transducer } from './transducer.ts';

/** A tool as the client knows it. */
export interface ToolName {
  name: string;
  namespace?: string;
  /** Takes free text; the upstream was given a function with one text argument instead. */
  custom?: boolean;
}

/** Name on the upstream's wire → the client's tool, only where the two differ. */
export type ToolNames = ReadonlyMap<string, ToolName>;

/** Longest name that every dialect takes, characters. */
const maxNameLength = 64;
const hashedLength = 55;

const legal: Record<Dialect, RegExp> = {
  anthropic: /^[a-zA-Z0-9_-]+$/,
  'openai-chat': /^[a-zA-Z0-9_-]+$/,
  'openai-responses': /^[a-zA-Z0-9_-]+$/,
  gemini: /^[a-zA-Z_][a-zA-Z0-9_.:-]*$/,
};

/** The argument that carries a custom tool's free text. */
export const customArgument = 'input';

/**
 * Gives every tool of one request a name that the target takes, and remembers the way back. The same tool always gets the
 * same name, whatever else is in the request, so that cached prefixes stay the same from turn to turn; only two tools that
 * would share a name differ by order.
 */
export class ToolNaming {
  readonly originals: Map<string, ToolName> = new Map();
  /** Some tool had to be given another name. */
  renamed = false;
  readonly #target: Dialect;
  readonly #wire = new Map<string, string>();
  readonly #taken = new Set<string>();

  constructor(target: Dialect) {
    this.#target = target;
  }

  /** Names the declared tools first, so that calls in the history never take a name from them. */
  declare(tools: readonly Tool[]): void {
    for (const tool of tools) this.wire(tool.name, tool.namespace, tool.custom !== undefined);
  }

  /** The name on the target's wire. */
  wire(name: string, namespace?: string, custom = false): string {
    const key = `${namespace ?? ''}\n${name}`;
    const known = this.#wire.get(key);
    if (known !== undefined) return known;
    const wanted = legalName(joined(name, namespace), legal[this.#target], this.#target === 'gemini');
    let wire = wanted;
    for (let number = 2; this.#taken.has(wire); number += 1) wire = `${wanted.slice(0, maxNameLength - 4)}_${number}`;
    this.#wire.set(key, wire);
    this.#taken.add(wire);
    if (wire !== name) this.renamed = true;
    if (wire !== name || namespace !== undefined || custom) {
      const original: ToolName = { name };
      if (namespace !== undefined) original.namespace = namespace;
      if (custom) original.custom = true;
      this.originals.set(wire, original);
    }
    return wire;
  }
}

/** Codex puts its own tools into `functions`, which says nothing; other namespaces are servers and do. */
function joined(name: string, namespace: string | undefined): string {
  if (namespace === undefined || namespace === '' || namespace === 'functions') return name;
  return namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`;
}

function legalName(name: string, pattern: RegExp, letterFirst: boolean): string {
  if (pattern.test(name) && name.length <= maxNameLength) return name;
  let clean = name.replace(/[^a-zA-Z0-9_-]/g, '_');
  if (clean === '' || (letterFirst && /^[0-9-]/.test(clean))) clean = `_${clean}`;
  return clean.length <= maxNameLength && clean === name ? clean : `${clean.slice(0, hashedLength)}_${hash(name)}`;
}

/** FNV-1a, 32 bits, as 8 hexadecimal digits. */
export function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return (value >>> 0).toString(16).padStart(8, '0');
}

/** The free text inside the arguments that stand for a custom tool's input; other arguments stay as they are. */
export function customInput(json: string): string {
  return asString(asFields(parseJson(json))?.[customArgument]) ?? json;
}

/**
 * Gives the tool calls of a stream their names back. A custom tool's input is only known once its arguments are whole, so
 * those are held until the call's end; `maxHeld` bounds them (characters).
 */
export function restoreTools(names: ToolNames, maxHeld: number): Transducer<ChatEvent, ChatEvent> {
  let held: string | undefined;
  const restore = (event: ChatEvent): ChatEvent[] => {
    if (event.type === 'tool-start') {
      const original = names.get(event.name);
      if (original === undefined) return [event];
      const custom = original.custom === true;
      // An upstream with custom tools of its own streams the text itself.
      held = custom && !event.custom ? '' : undefined;
      return [{ ...event, name: original.name, namespace: original.namespace ?? event.namespace, custom: event.custom || custom }];
    }
    if (held === undefined) return [event];
    if (event.type === 'tool-delta') {
      held += event.text;
      if (held.length <= maxHeld) return [];
      held = undefined;
      return [{ type: 'error', failure: tooLarge() }];
    }
    if (event.type !== 'tool-end') return [event];
    const text = customInput(held);
    held = undefined;
    return text === '' ? [event] : [{ type: 'tool-delta', text }, event];
  };
  return { push: restore, end: () => [] };
}
