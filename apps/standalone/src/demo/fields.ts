/** Reading of JSON that somebody else wrote: what is not of the expected kind counts as absent. */
export type Fields = Readonly<Record<string, unknown>>;

export function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
}

/** The objects of a list. */
export function fieldsOf(value: unknown): readonly Fields[] {
  return asList(value).map(asFields).filter((item) => item !== undefined);
}

/** The texts of content that is a string or a list of blocks with `text`. */
export function textsOf(content: unknown): readonly string[] {
  if (typeof content === 'string') return [content];
  return fieldsOf(content).map((block) => asText(block['text'])).filter((text) => text !== undefined);
}
