export interface CompareOptions {
  /**
   * Paths whose value differs from run to run: only its JSON kind is compared. `*` stands for one segment, `**` for any
   * number of them: `data.*.createdAt`, `**.id`. A RegExp is matched against the whole path.
   */
  readonly varying?: readonly (string | RegExp)[];
  /** Paths not looked at, on either side. */
  readonly ignored?: readonly (string | RegExp)[];
}

/**
 * The differences between two JSON values, one line each, beginning with the path (`data.users.0.name`); none = equal.
 * The order of object fields does not count, a field that is `undefined` counts as missing.
 */
export function compareJson(expected: unknown, actual: unknown, options: CompareOptions = {}): string[] {
  const rules = { varying: (options.varying ?? []).map(matcher), ignored: (options.ignored ?? []).map(matcher) };
  const differences: string[] = [];
  compare({ rules, differences }, [], expected, actual);
  return differences;
}

type Matcher = (path: readonly string[]) => boolean;

interface Comparison {
  readonly rules: { readonly varying: readonly Matcher[]; readonly ignored: readonly Matcher[] };
  readonly differences: string[];
}

function compare(comparison: Comparison, path: readonly string[], expected: unknown, actual: unknown): void {
  const { rules, differences } = comparison;
  if (rules.ignored.some((matches) => matches(path))) return;
  const say = (text: string) => differences.push(`${path.join('.') || '(root)'}: ${text}`);
  if (expected === undefined || actual === undefined) {
    if (expected === actual) return;
    say(expected === undefined ? `not expected, is ${show(actual)}` : `missing, expected ${show(expected)}`);
  } else if (kind(expected) !== kind(actual)) {
    say(`expected ${show(expected)}, is ${show(actual)}`);
  } else if (rules.varying.some((matches) => matches(path))) {
    return;
  } else if (isContainer(expected) && isContainer(actual)) {
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    for (const name of names) compare(comparison, [...path, name], field(expected, name), field(actual, name));
  } else if (!Object.is(expected, actual)) {
    say(`expected ${show(expected)}, is ${show(actual)}`);
  }
}

function kind(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function field(container: object, name: string): unknown {
  return Object.hasOwn(container, name) ? (container as Record<string, unknown>)[name] : undefined;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function matcher(pattern: string | RegExp): Matcher {
  if (pattern instanceof RegExp) return (path) => pattern.test(path.join('.'));
  const segments = pattern.split('.');
  return (path) => matchesFrom(segments, path);
}

function matchesFrom(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return path.length === 0;
  if (first === '**') return path.some((_, index) => matchesFrom(rest, path.slice(index))) || matchesFrom(rest, []);
  return path.length > 0 && (first === '*' || first === path[0]) && matchesFrom(rest, path.slice(1));
}
