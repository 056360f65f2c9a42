/** A string that is longer than this and has no space in it is data (an image, a file), not words. */
const longestWord = 2_000;
/** What vendors count for an image of middle size. */
const tokensPerImage = 1_500;

/** Tokens of a text, roughly: four ASCII characters or one and a half of another script are one. */
export function textTokens(text: string): number {
  if (text.length > longestWord && !/\s/.test(text.slice(0, longestWord))) return tokensPerImage;
  const foreign = text.match(/[^\u0020-\u007e\s]/g)?.length ?? 0;
  return Math.ceil((text.length - foreign) / 4 + foreign / 1.5);
}

/** Tokens of every text inside a value, plus a few for each object's structure. */
export function countTokens(value: unknown): number {
  if (typeof value === 'string') return textTokens(value);
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countTokens(item), 0);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, item) => sum + countTokens(item), 2);
}

/** The beginning of a text that is not longer than so many tokens. */
export function firstTokens(text: string, tokens: number): string {
  const words = text.split(/(?<=\s)/);
  let cut = '';
  for (const word of words) {
    if (textTokens(cut + word) > tokens) break;
    cut += word;
  }
  return cut.trimEnd();
}
