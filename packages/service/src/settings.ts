/** One environment variable of a process: its names, its parser, its default and one line of documentation. */
export interface Setting<T> {
  /** The first name that is set wins. */
  readonly names: readonly string[];
  /** Returns the value, or throws an Error whose message completes "NAME …". */
  readonly parse: (text: string) => T;
  /** What an absent or empty variable means. */
  readonly fallback: T;
  readonly doc: string;
}

export type SettingValues<S extends Record<string, Setting<unknown>>> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** Every problem of an environment at once, one line each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * Reads a process's settings. An empty variable counts as absent.
 * @throws SettingsError naming every variable that could not be read
 */
export function readSettings<S extends Record<string, Setting<unknown>>>(
  spec: S,
  source: Readonly<Record<string, string | undefined>>,
): SettingValues<S> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [key, setting] of Object.entries(spec)) {
    const name = setting.names.find((candidate) => source[candidate]?.trim());
    if (name === undefined) {
      values[key] = setting.fallback;
      continue;
    }
    try {
      values[key] = setting.parse((source[name] ?? '').trim());
    } catch (error) {
      problems.push(`${name} ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return values as SettingValues<S>;
}

type Names = string | readonly string[];
const list = (names: Names): readonly string[] => (typeof names === 'string' ? [names] : names);

export function text<T extends string | undefined>(names: Names, fallback: T, doc: string): Setting<string | T> {
  return { names: list(names), parse: (value) => value, fallback, doc };
}

/** Booleans as v0.3.42 reads them: everything except "false" and "0" is true. */
export function flag(names: Names, fallback: boolean, doc: string): Setting<boolean> {
  return { names: list(names), parse: (value) => !/^(false|0|no|off)$/i.test(value), fallback, doc };
}

export interface IntegerBounds {
  readonly min: number;
  readonly max: number;
}

export function integer<T extends number | undefined>(
  names: Names,
  fallback: T,
  bounds: IntegerBounds,
  doc: string,
): Setting<number | T> {
  const parse = (value: string): number => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < bounds.min || number > bounds.max) {
      throw new Error(`must be a whole number from ${bounds.min} to ${bounds.max}, not "${value}"`);
    }
    return number;
  };
  return { names: list(names), parse, fallback, doc };
}

export function port(names: Names, fallback: number, doc: string): Setting<number> {
  return integer(names, fallback, { min: 0, max: 65_535 }, doc);
}

export function oneOf<const T extends string>(
  names: Names,
  values: readonly T[],
  fallback: T,
  doc: string,
): Setting<T> {
  const parse = (value: string): T => {
    const found = values.find((candidate) => candidate === value.toLowerCase());
    if (found === undefined) throw new Error(`must be one of ${values.join(', ')}, not "${value}"`);
    return found;
  };
  return { names: list(names), parse, fallback, doc };
}
