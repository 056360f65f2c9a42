import type { Language } from './texts.ts';

/** What v0.3.42 answered in without being asked. */
const defaultLanguage: Language = 'zh-CN';

export interface LanguageHeaders {
  readonly locale: string | undefined;
  readonly acceptLanguage: string | undefined;
}

/**
 * `X-NEXT-INTL-LOCALE` first (v0.3.42's own switch), then `Accept-Language` by its q values. A language that we do not
 * speak is passed over; traditional Chinese is served with simplified.
 */
export function negotiateLanguage({ locale, acceptLanguage }: LanguageHeaders): Language {
  const asked = locale === undefined ? undefined : speak(locale);
  if (asked !== undefined) return asked;
  const ranges = (acceptLanguage ?? '')
    .slice(0, 1000)
    .split(',')
    .map((range) => {
      const [tag = '', ...attributes] = range.trim().split(';');
      const weight = attributes.map((text) => /^\s*q=([\d.]+)\s*$/.exec(text)?.[1]).find((text) => text !== undefined);
      return { tag, weight: weight === undefined ? 1 : Number(weight) };
    })
    .filter(({ weight }) => weight > 0)
    .toSorted((left, right) => right.weight - left.weight);
  for (const { tag } of ranges) {
    const language = speak(tag);
    if (language !== undefined) return language;
  }
  return defaultLanguage;
}

function speak(tag: string): Language | undefined {
  const primary = tag.trim().toLowerCase().split('-', 1)[0];
  return primary === 'zh' ? 'zh-CN' : primary === 'en' ? 'en' : undefined;
}
