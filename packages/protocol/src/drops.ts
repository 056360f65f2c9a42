import { dropTable } from './drop-table.ts';
import type { DropAction, DropCode } from './drop-table.ts';
import type { Dialect } from './dialect.ts';
import type { UpstreamError } from './errors.ts';

/** Something that the target dialect cannot say, and what was done about it. */
export interface Drop {
  code: DropCode;
  from: Dialect;
  to: Dialect;
  /** The field as the table names it. */
  field: string;
  /** Where it was first met, e.g. `messages[2].content[0]`; the field's own name where there is no better place. */
  path: string;
  action: DropAction;
  why: string;
  /** How often it was met. */
  count: number;
}

/** Something without which the request would mean something else: the client gets a 400 with this message. */
export class ConversionError extends Error {
  override readonly name = 'ConversionError';
  readonly code: DropCode | 'malformed';
  /** The place in the body, empty for the body itself. */
  readonly path: string;

  constructor(code: DropCode | 'malformed', path: string, message: string) {
    super(path === '' ? message : `${path}: ${message}`);
    this.code = code;
    this.path = path;
  }
}

/** An upstream's 200 that is no answer: an error in an answer's place, or something that cannot be read. Its fault, not the client's. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError';
  readonly failure: UpstreamError;

  constructor(failure: UpstreamError) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The body is not what its own dialect asks for. */
export function malformed(path: string, message: string): ConversionError {
  return new ConversionError('malformed', path, message);
}

/** Collects what one conversion leaves out or changes; every entry is a row of the table. */
export class DropLog {
  readonly from: Dialect;
  readonly to: Dialect;
  readonly #drops = new Map<DropCode, Drop>();

  constructor(from: Dialect, to: Dialect) {
    this.from = from;
    this.to = to;
  }

  get list(): Drop[] {
    return [...this.#drops.values()];
  }

  /** Notes one case; only the first place of each code is kept. */
  add(code: DropCode, path: string): void {
    const known = this.#drops.get(code);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const row = dropTable[code];
    this.#drops.set(code, {
      code,
      from: this.from,
      to: this.to,
      field: row.field,
      path,
      action: row.action,
      why: row.why,
      count: 1,
    });
  }

  /** A field that the target has no place for: by the row of its own name, else as an unknown one. */
  addField(name: string, path = name): void {
    this.add(isDropCode(name) ? name : 'unknown-field', path);
  }

  /** The error for a case whose row says `refused`. */
  refuse(code: DropCode, path: string): ConversionError {
    return new ConversionError(code, path, dropTable[code].why);
  }
}

function isDropCode(name: string): name is DropCode {
  return Object.hasOwn(dropTable, name);
}
