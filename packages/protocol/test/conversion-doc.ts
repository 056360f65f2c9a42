import { type Dialect, dialects, dropTable } from '../src/index.ts';

/** `docs/conversion.md`, made of the code's own table. */

const names: Record<Dialect, string> = {
  anthropic: 'Anthropic Messages',
  'openai-chat': 'OpenAI Chat Completions',
  'openai-responses': 'OpenAI Responses',
  gemini: 'Gemini generateContent',
};

const head = `# Conversion between formats

Every client can be served by every provider. A provider of another format takes part when it names the requested model in
\`allowed_models\` or as a key of \`model_redirects\`, and the setting \`enableFormatConversion\` is on (the default). Between
equal formats nothing is converted: bytes stay bytes.

Carried over between all four: system texts, conversations with text, images and documents, tools with their JSON schemas (cleaned
for the target), tool choice, parallel calls and their results, reasoning (its seals only where the same provider sees them again),
stop sequences and reasons, sampling, limits of length, structured output, web search where both have it, cache hints, refusals,
usage and errors. Whole answers and streams; every stream that leaves the hub is legal for the strict official SDKs.

What another format cannot say is in this table, which is printed from the code's own (\`packages/protocol/src/drop-table.ts\`; write
it anew with \`tsx packages/protocol/test/write-conversion-doc.ts\`). *dropped*: left out. *approximated*: said in another way.
*refused*: the client gets a 400 that names the place, since nothing less would be honest. What happened to a request stands in its
row's \`special_settings\` under \`format_conversion\`.

`;

export function conversionDoc(): string {
  const lines = Object.entries(dropTable).map(
    ([code, { from, to, field, action, why }]) => `| ${escape(field)} | ${list(from)} | ${list(to)} | ${action} | ${escape(why)} | \`${code}\` |`,
  );
  const legend = dialects.map((dialect) => `${letter(dialect)} = ${names[dialect]}`).join(', ');
  return `${head}${legend}.\n\n| what | from | to | | why | code |\n|---|---|---|---|---|---|\n${lines.join('\n')}\n`;
}

function list(some: readonly Dialect[]): string {
  return some.length === dialects.length ? 'all' : some.map(letter).join(' ');
}

function letter(dialect: Dialect): string {
  return { anthropic: 'A', 'openai-chat': 'C', 'openai-responses': 'R', gemini: 'G' }[dialect];
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
