import type { Dialect } from './dialect.ts';
import { asArray, asCount, asFields } from './json.ts';
import type { Fields } from './json.ts';
import { cacheWrites, inputTotal, lifetimeFields, readUsage, usageTotal } from './usage-fields.ts';
import type { Usage, UsageShape } from './usage-fields.ts';

export { emptyUsage, usageTotal } from './usage-fields.ts';
export type { Usage } from './usage-fields.ts';

/**
 * Usage of one parsed JSON answer, of one event's payload, or of an array of either; undefined if there is none.
 * Never throws, whatever `body` is. A usage object in another dialect's field names is understood as well.
 */
export function parseUsage(dialect: Dialect, body: unknown): Usage | undefined {
  const collector = new UsageCollector(dialect);
  for (const payload of asArray(body) ?? [body]) collector.add(payload);
  return collector.usage;
}

/**
 * Usage over the payloads of a stream. Anthropic's start and deltas are merged, the later one winning per field; in the
 * other dialects the last usage that counts anything wins.
 */
export class UsageCollector {
  readonly #dialect: Dialect;
  #merged: FoundUsage | undefined;
  #usage: Usage | undefined;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  get usage(): Usage | undefined {
    return this.#usage;
  }

  /** Takes in one payload; true if it carried usage. */
  add(payload: unknown): boolean {
    const fields = asFields(payload);
    if (fields === undefined) return false;
    const found = findUsage(this.#dialect, fields);
    if (found === undefined) return false;
    if (fields.type === 'message_start' || fields.type === 'message_delta') {
      this.#merged = this.#merged === undefined ? found : mergeUsage(this.#dialect, this.#merged, found);
      this.#usage = this.#merged.usage;
    } else if (this.#merged === undefined && (this.#usage === undefined || usageTotal(found.usage) > 0)) {
      this.#usage = found.usage;
    }
    return true;
  }
}

interface FoundUsage {
  fields: Fields;
  usage: Usage;
  shape: UsageShape;
}

/** The first usage object of a payload that counts something, wherever dialects and relays are known to put it. */
function findUsage(dialect: Dialect, payload: Fields): FoundUsage | undefined {
  for (const holder of usageHolders(payload)) {
    for (const candidate of [holder.usage, holder.usageMetadata, holder.usage_metadata]) {
      const fields = asFields(candidate);
      const read = fields && readUsage(dialect, fields);
      if (fields && read) return { fields, ...read };
    }
  }
  return undefined;
}

function usageHolders(payload: Fields): Fields[] {
  const holders = [payload];
  // `choices[].usage`, `x_groq` and `data` are relays' and vendors' own places, the others are the dialects'.
  for (const name of ['response', 'message', 'delta', 'data', 'x_groq']) {
    const holder = asFields(payload[name]);
    if (holder) holders.push(holder);
  }
  for (const name of ['choices', 'output']) {
    for (const item of asArray(payload[name]) ?? []) {
      const holder = asFields(item);
      if (holder?.usage) holders.push(holder);
    }
  }
  return holders;
}

/**
 * `base` with the fields of `later` on top. A later zero on the input side counts only beside a positive figure: relays
 * that do not know the input repeat zeros in their last event, which must not erase what the first one said.
 */
function mergeUsage(dialect: Dialect, base: FoundUsage, later: FoundUsage): FoundUsage {
  // Fields of different names don't replace each other.
  if (later.shape !== base.shape) return usageTotal(later.usage) > usageTotal(base.usage) ? later : base;
  const fields: Fields = { ...base.fields };
  const knowsInput = inputTotal(later.usage) > 0;
  for (const [name, value] of Object.entries(later.fields)) {
    if (value != null && (knowsInput || !isInputField(name))) fields[name] = value;
  }
  // Lifetimes of an outdated total must not outlive it.
  const total = knowsInput ? asCount(later.fields.cache_creation_input_tokens) : undefined;
  if (total !== undefined) {
    const { fiveMinutes, oneHour } = cacheWrites(fields);
    if (fiveMinutes + oneHour > total && cacheWrites(later.fields).split === false) {
      for (const name of lifetimeFields) delete fields[name];
    }
  }
  const read = readUsage(dialect, fields);
  return read === undefined ? base : { fields, ...read };
}

function isInputField(name: string): boolean {
  return name.startsWith('input') || name.startsWith('prompt') || name.includes('cache');
}
