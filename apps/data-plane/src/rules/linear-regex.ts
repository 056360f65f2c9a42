import { RE2JS } from 're2js';

/** Patterns that admins write run in linear time, whatever the pattern and whatever the text. */
export interface LinearRegex {
  /** The first place that matches. */
  find(text: string): { readonly text: string; readonly start: number; readonly end: number } | undefined;
  replaceAll(text: string, replacement: string): string;
}

/** @returns undefined for a pattern that cannot run in linear time (look-around, back references) or is no pattern */
export function compileRegex(pattern: string, ignoreCase: boolean): LinearRegex | undefined {
  try {
    const regex = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
    return {
      find(text) {
        const matcher = regex.matcher(text);
        if (!matcher.find()) return undefined;
        const start = matcher.start();
        const end = matcher.end();
        return { text: text.slice(start, end), start, end };
      },
      replaceAll: (text, replacement) => regex.matcher(text).replaceAll(RE2JS.quoteReplacement(replacement)),
    };
  } catch {
    return undefined;
  }
}
