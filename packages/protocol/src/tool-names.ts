import { tooLarge } from './block-writer.ts';
import type { ChatEvent, Tool } from './chat.ts';
import type { Dialect } from './dialect.ts';
import type { DropLog } from './drops.ts';
import type { UpstreamError } from './errors.ts';
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

/** The free text inside the arguments that stand for a custom tool's input; undefined if they are cut or something else. */
export function customInput(json: string): string | undefined {
  return asString(asFields(parseJson(json))?.[customArgument]);
}

/** A custom tool's call whose arguments cannot be read, although no token limit explains it. */
export function unreadableInput(): UpstreamError {
  return { status: 502, message: 'the upstream called a tool with arguments that cannot be read' };
}

/**
 * Gives the tool calls of a stream their names back. A custom tool's call is held until its arguments are whole: half a
 * script must not look like a whole one, which clients would run. `maxHeld` bounds it (characters).
 */
export function restoreTools(names: ToolNames, maxHeld: number, drops: DropLog): Transducer<ChatEvent, ChatEvent> {
  return new ToolRestorer(names, maxHeld, drops);
}

class ToolRestorer implements Transducer<ChatEvent, ChatEvent> {
  readonly #names: ToolNames;
  readonly #maxHeld: number;
  readonly #drops: DropLog;
  #held: { start: ChatEvent; json: string } | undefined;
  /** A held call had to be left out. */
  #unreadable = false;

  constructor(names: ToolNames, maxHeld: number, drops: DropLog) {
    this.#names = names;
    this.#maxHeld = maxHeld;
    this.#drops = drops;
  }

  push(event: ChatEvent): ChatEvent[] {
    if (event.type === 'tool-start') return this.#start(event);
    if (event.type === 'finish' && this.#unreadable && event.reason !== 'length') return [{ type: 'error', failure: unreadableInput() }];
    if (this.#held === undefined) return [event];
    if (event.type === 'tool-delta') {
      this.#held.json += event.text;
      return this.#held.json.length <= this.#maxHeld ? [] : [{ type: 'error', failure: tooLarge() }];
    }
    return event.type === 'tool-end' ? this.#end(this.#held, event) : [event];
  }

  end(): ChatEvent[] {
    return [];
  }

  #start(event: Extract<ChatEvent, { type: 'tool-start' }>): ChatEvent[] {
    const original = this.#names.get(event.name);
    if (original === undefined) return [event];
    const custom = original.custom === true;
    const start: ChatEvent = { ...event, name: original.name, namespace: original.namespace ?? event.namespace, custom: event.custom || custom };
    // An upstream with custom tools of its own streams the text itself.
    if (!custom || event.custom) return [start];
    this.#held = { start, json: '' };
    return [];
  }

  #end({ start, json }: { start: ChatEvent; json: string }, end: ChatEvent): ChatEvent[] {
    this.#held = undefined;
    const text = customInput(json);
    if (text !== undefined) return text === '' ? [start, end] : [start, { type: 'tool-delta', text }, end];
    this.#unreadable = true;
    this.#drops.add('answer-tool-cut', 'tool call');
    return [];
  }
}
