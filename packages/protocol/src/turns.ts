import type { ChatRequest, OutputFormat, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, Turn } from './chat.ts';
import { malformed } from './drops.ts';
import type { DropLog } from './drops.ts';

/**
 * Brings turns into the order that every dialect accepts and most demand: the results of an assistant's calls stand at the
 * head of the very next turn, all of them, once each; neighbours of the same role are one turn; nothing is empty. Clients
 * break this by cutting old messages, by interrupting tools, and by slipping system messages in between.
 */
export function settleTurns(turns: readonly Turn[], drops: DropLog): Turn[] {
  return new Settling(turns, drops).run();
}

interface FoundResult {
  turn: number;
  part: ToolResultPart;
  used: boolean;
}

class Settling {
  readonly #turns: readonly Turn[];
  readonly #drops: DropLog;
  readonly #results = new Map<string, FoundResult[]>();
  readonly #ids = new Set<string>();
  readonly #settled: Turn[] = [];
  /** Calls of the assistant turn at the end of `#settled`, with the turn they stood in. */
  #waiting: { call: ToolCallPart; turn: number; originalId: string }[] = [];

  constructor(turns: readonly Turn[], drops: DropLog) {
    this.#turns = turns;
    this.#drops = drops;
  }

  run(): Turn[] {
    this.#indexResults();
    for (const [index, turn] of this.#turns.entries()) {
      if (turn.role === 'assistant') this.#assistant(turn, index);
      else {
        this.#answer();
        this.#add(turn.role, this.#withoutResults(turn.parts, index));
      }
    }
    this.#answer();
    return this.#settled;
  }

  #indexResults(): void {
    for (const [turn, { parts }] of this.#turns.entries()) {
      for (const part of parts) {
        if (part.type !== 'tool-result') continue;
        const list = this.#results.get(part.id) ?? [];
        list.push({ turn, part, used: false });
        this.#results.set(part.id, list);
      }
    }
  }

  #assistant(turn: Turn, index: number): void {
    const parts = turn.parts.map((part) => {
      if (part.type !== 'tool-call') return part;
      const call = { ...part, id: this.#uniqueId(part.id) };
      this.#waiting.push({ call, turn: index, originalId: part.id });
      return call;
    });
    this.#add('assistant', parts);
  }

  /** Some clients count their calls anew in every turn; Anthropic wants ids that are unique in the conversation. */
  #uniqueId(id: string): string {
    let unique = id;
    for (let number = 2; this.#ids.has(unique); number += 1) unique = `${id}_${number}`;
    this.#ids.add(unique);
    return unique;
  }

  #answer(): void {
    if (this.#waiting.length === 0) return;
    const results = this.#waiting.map(({ call, turn, originalId }) => this.#resultOf(call, turn, originalId));
    this.#waiting = [];
    this.#add('user', results);
  }

  #resultOf(call: ToolCallPart, turn: number, originalId: string): ToolResultPart {
    const next = this.#calledAgain(originalId, turn);
    const found = this.#results.get(originalId)?.find((result) => !result.used && result.turn > turn && result.turn < next);
    const { id, name, namespace, custom = false } = call;
    const of = namespace === undefined ? { id, name, custom } : { id, name, custom, namespace };
    if (found === undefined) {
      this.#drops.add('tool-result-missing', `tool call ${id}`);
      return { type: 'tool-result', ...of, failed: true, parts: [{ type: 'text', text: 'No result: the call was not carried out.' }] };
    }
    found.used = true;
    return { ...found.part, ...of };
  }

  /** The turn in which another call bears the same id; results after it are that call's. */
  #calledAgain(id: string, turn: number): number {
    const calls = (parts: readonly Part[]): boolean => parts.some((part) => part.type === 'tool-call' && part.id === id);
    const index = this.#turns.findIndex(({ parts }, place) => place > turn && calls(parts));
    return index < 0 ? Infinity : index;
  }

  /** Results have moved to their calls already; one without a call is kept as text. */
  #withoutResults(parts: readonly Part[], index: number): Part[] {
    return parts.flatMap((part): Part[] => {
      if (part.type !== 'tool-result') return [part];
      const found = this.#results.get(part.id)?.find((result) => result.part === part);
      if (found?.used === true) return [];
      this.#drops.add('tool-result-orphan', `turn ${index}, tool call ${part.id}`);
      return [{ type: 'text', text: `[Result of tool call ${part.id}]` }, ...part.parts];
    });
  }

  #add(role: Turn['role'], parts: readonly Part[]): void {
    const kept = parts.filter((part) => part.type !== 'text' || part.text !== '');
    if (kept.length === 0) return;
    const last = this.#settled.at(-1);
    if (last?.role === role) last.parts.push(...kept);
    else this.#settled.push({ role, parts: [...kept] });
  }
}

/**
 * For targets that want the user to speak first. A request of instructions alone gives its last one as the user's words; a
 * conversation that begins with the assistant gets a sign of continuation before it.
 */
export function withLeadingUser(request: ChatRequest, drops: DropLog): { system: TextPart[]; turns: readonly Turn[] } {
  const [first] = request.turns;
  if (first !== undefined && first.role !== 'assistant') return request;
  drops.add('first-turn', 'messages');
  if (first !== undefined) return { system: request.system, turns: [{ role: 'user', parts: [{ type: 'text', text: '…' }] }, ...request.turns] };
  const last = request.system.at(-1);
  if (last === undefined) throw malformed('messages', 'must not be empty');
  return { system: request.system.slice(0, -1), turns: [{ role: 'user', parts: [last] }] };
}

/**
 * For targets that take instructions only at the start: later ones become words of the user, marked as not being his, in
 * one turn with what he says before and after.
 */
export function asReminders(turns: readonly Turn[], drops: DropLog): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    if (turn.role === 'system') drops.add('system-midway', 'messages');
    const parts = turn.role === 'system' ? turn.parts.map(asReminder) : turn.parts;
    const role = turn.role === 'assistant' ? 'assistant' : 'user';
    const last = merged.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else merged.push({ role, parts: [...parts] });
  }
  return merged;
}

function asReminder(part: Part): Part {
  return part.type === 'text' ? { ...part, text: `<system-reminder>\n${part.text}\n</system-reminder>` } : part;
}

/** The reasoning that the target's provider made itself and may see again. */
export function ownReasoning(part: ReasoningPart, context: { sameProvider: boolean; drops: DropLog }): ReasoningPart | undefined {
  const { to } = context.drops;
  // Chat Completions has no proof; the others refuse reasoning without one.
  if (context.sameProvider && part.seal?.origin === to && (part.seal.data !== '' || to === 'openai-chat')) return part;
  context.drops.add('reasoning-foreign', 'reasoning');
  return undefined;
}

/** The output format as words, for a target or model that cannot be bound to it. */
export function schemaInstruction(output: OutputFormat): string {
  if (output.type === 'json') return 'Answer with one JSON object and nothing else: no explanation, no code fence.';
  return `Answer with one JSON value that matches this JSON Schema and nothing else, no explanation, no code fence:\n${JSON.stringify(output.schema)}`;
}
