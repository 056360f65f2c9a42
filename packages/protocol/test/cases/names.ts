/** The conversations that every pair of dialects has a golden page for. */
export const caseNames = [
  'text',
  'image',
  'one-tool',
  'parallel-tools',
  'tool-result',
  'thinking',
  'stop-reason',
  'max-tokens',
  'error-mid-stream',
  'empty',
  'unicode',
] as const;

export type CaseName = (typeof caseNames)[number];

/** One conversation in one dialect: what its clients ask and what its upstreams answer, whole and streamed. */
export interface DialectCase {
  request: unknown;
  answer: unknown;
  /** Server-sent events as text. */
  frames: string;
  /** The model that an upstream of this dialect is asked for. Unset: the dialect's default. */
  targetModel?: string;
}

export type DialectCases = Record<CaseName, DialectCase>;

/** A red pixel. */
export const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

export const weatherSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    city: { type: 'string', description: 'City and country' },
    unit: { type: ['string', 'null'], enum: ['celsius', 'fahrenheit', null] },
    kind: { const: 'current' },
    days: { type: 'array', items: { type: 'integer', exclusiveMinimum: 0 } },
  },
  required: ['city'],
  additionalProperties: false,
} as const;

export const unicodeText = 'Grüße 你好 👩‍👩‍👧 e\u0301 \u2028 line \u2029 end "quoted" \\ \t.';

/** Named events, one JSON payload each, the name also in the payload's `type`. */
export function namedFrames(payloads: readonly { type: string }[]): string {
  return payloads.map((payload) => `event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n`).join('');
}

/** Nameless events; a string goes out as it is. */
export function dataFrames(payloads: readonly unknown[]): string {
  return payloads.map((payload) => `data: ${typeof payload === 'string' ? payload : JSON.stringify(payload)}\n\n`).join('');
}
