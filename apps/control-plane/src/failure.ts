import type { z } from 'zod';
import { isTextKey, type Language, say, type TextKey, type TextParams } from './texts.ts';

/** The codes that this version sends; clients switch on them. */
export type ErrorCode =
  | 'INVALID_TYPE'
  | 'INVALID_FORMAT'
  | 'INVALID_URL'
  | 'MIN_VALUE'
  | 'MAX_VALUE'
  | 'PERMISSION_DENIED'
  | 'NOT_FOUND';

export interface FailureBody {
  readonly ok: false;
  readonly error: string;
  readonly errorCode?: ErrorCode;
  readonly errorParams?: TextParams;
}

export interface FailureOptions {
  /** For the sentence. */
  readonly params?: TextParams;
  readonly code?: ErrorCode;
  /** Told to the client beside the sentence. */
  readonly errorParams?: TextParams;
}

/** An operation that will not be done, for a reason that the caller is told. Answered with status 400. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly text: TextKey;
  readonly options: FailureOptions;
  constructor(text: TextKey, options: FailureOptions = {}) {
    super(text);
    this.text = text;
    this.options = options;
  }
  body(language: Language): FailureBody {
    const { params, code, errorParams } = this.options;
    return {
      ok: false,
      error: say(language, this.text, params),
      ...(code !== undefined && { errorCode: code }),
      ...(errorParams !== undefined && { errorParams }),
    };
  }
}

/**
 * How an operation tells what is wrong with its input once it looks itself, that is when no JSON content type made the
 * transport look first: `first` says the first problem with a code, `list` says all of them as the text of a JSON array.
 */
export type InvalidStyle = 'first' | 'list';

export class InvalidInput extends Error {
  override readonly name = 'InvalidInput';
  readonly issues: readonly z.core.$ZodIssue[];
  readonly style: InvalidStyle;
  constructor(issues: readonly z.core.$ZodIssue[], style: InvalidStyle) {
    super('invalid input');
    this.issues = issues;
    this.style = style;
  }
  body(language: Language): FailureBody {
    const issues = localise(this.issues, language);
    const [first] = issues;
    if (this.style === 'list' || first === undefined) return { ok: false, error: issueText(issues) };
    return { ok: false, error: first.message, ...codeOf(first) };
  }
}

/** @throws InvalidInput */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown, style: InvalidStyle): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidInput(result.error.issues, style);
}

/** Our schemas carry text keys as their messages; zod's own sentences stay as they are. */
export function localise(issues: readonly z.core.$ZodIssue[], language: Language): z.core.$ZodIssue[] {
  return issues.map((issue) => {
    if (!isTextKey(issue.message)) return issue;
    const bounds = { min: 'minimum' in issue ? String(issue.minimum) : '', max: 'maximum' in issue ? String(issue.maximum) : '' };
    return { ...issue, message: say(language, issue.message, { field: issue.path.join('.'), ...bounds }) };
  });
}

/** What zod's own `error.message` would be. */
export function issueText(issues: readonly z.core.$ZodIssue[]): string {
  return JSON.stringify(issues, jsonSafe, 2);
}

function jsonSafe(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** As v0.3.42 with zod 4: strings that are too short or long count as values out of range, formats have no parameters. */
function codeOf(issue: z.core.$ZodIssue): Pick<FailureBody, 'errorCode' | 'errorParams'> {
  const field = issue.path.join('.');
  switch (issue.code) {
    case 'invalid_type':
      return { errorCode: 'INVALID_TYPE', errorParams: { field } };
    case 'too_small':
      return { errorCode: 'MIN_VALUE', errorParams: { field, min: Number(issue.minimum) } };
    case 'too_big':
      return { errorCode: 'MAX_VALUE', errorParams: { field, max: Number(issue.maximum) } };
    default:
      return { errorCode: 'INVALID_FORMAT' };
  }
}
