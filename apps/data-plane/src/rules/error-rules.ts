import type { ErrorRule, Snapshot } from '@hub/contract';
import { compileRegex } from './linear-regex.ts';

/** Error rules (contract F3): which upstream texts mean that the request itself is at fault. */
export interface ErrorRuleMatcher {
  /** The first rule that the text hits: contains, then exact, then regex; within one kind by priority, then category. */
  match(text: string): ErrorRule | undefined;
}

const matchers = new WeakMap<Snapshot['errorRules'], ErrorRuleMatcher>();

/** One matcher per set of rules; snapshots that did not change them share it. */
export function errorRulesOf(snapshot: Snapshot): ErrorRuleMatcher {
  let matcher = matchers.get(snapshot.errorRules);
  if (matcher === undefined) {
    matcher = createMatcher([...snapshot.errorRules.values()]);
    matchers.set(snapshot.errorRules, matcher);
  }
  return matcher;
}

function createMatcher(rules: readonly ErrorRule[]): ErrorRuleMatcher {
  const sorted = rules.toSorted((left, right) => left.priority - right.priority || compareText(left.category, right.category));
  const contains = sorted.filter((rule) => rule.matchType === 'contains').map((rule) => ({ rule, text: rule.pattern.toLowerCase() }));
  const exact = sorted.filter((rule) => rule.matchType === 'exact').map((rule) => ({ rule, text: rule.pattern.trim().toLowerCase() }));
  const regexes = sorted.filter((rule) => rule.matchType === 'regex').flatMap((rule) => {
    // A pattern that the engine does not know is left out, as v0.3.42 left out unsafe ones.
    const regex = compileRegex(rule.pattern, true);
    return regex === undefined ? [] : [{ rule, regex }];
  });
  return {
    match(text) {
      const lower = text.toLowerCase();
      const trimmed = lower.trim();
      return (
        contains.find((entry) => lower.includes(entry.text))?.rule ??
        exact.find((entry) => trimmed === entry.text)?.rule ??
        regexes.find((entry) => entry.regex.find(text) !== undefined)?.rule
      );
    },
  };
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
