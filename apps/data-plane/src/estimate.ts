import type { Usage, Watcher } from '@hub/protocol';
import { emptyUsage } from '@hub/protocol';
import type { ProxyRequest } from './request/proxy-request.ts';

/**
 * Tokens that the upstream did not get to report, because somebody left, somebody broke off, or the upstream reports
 * none. Counted with a tokenizer: of the request as a whole, of the answer by the rate of a sample, so that no answer is
 * kept for it. Marked as an estimate in the row.
 */

/** How much of an answer is kept to learn how many bytes a token has. Bytes. */
const sampleBytes = 4096;
/** English prose in the tokenizer's vocabulary; used where a sample is too short to say more. Bytes per token. */
const usualBytesPerToken = 4;
/** Requests beyond this are counted by their first part. Characters. */
const countedCharacters = 400_000;

/** A copy of the beginning of an answer: references would pin the socket's whole buffers. */
export class AnswerSample {
  #bytes = Buffer.alloc(0);
  add(chunk: Uint8Array): void {
    if (this.#bytes.length >= sampleBytes) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, sampleBytes - this.#bytes.length)]);
  }
  get text(): string {
    return this.#bytes.toString('utf8');
  }
}

/** The estimated whole: what was reported stands, what was not is counted. */
export async function estimateUsage(request: ProxyRequest, watcher: Watcher, sample: string): Promise<Usage> {
  const count = await tokenizer();
  const reported = watcher.usage;
  const output = outputTokens(watcher.textBytes, sample, count);
  const promptReported = reported !== undefined && reported.input + reported.cacheRead + reported.cacheWrite5m + reported.cacheWrite1h + reported.cacheWriteUnsplit > 0;
  const base: Usage = promptReported ? reported : { ...emptyUsage(), input: inputTokens(request, count) };
  return { ...base, output: Math.max(reported?.output ?? 0, output) };
}

function outputTokens(textBytes: number, sample: string, count: (text: string) => number): number {
  if (textBytes === 0) return 0;
  const text = textOf(sample);
  const tokens = text.length < 40 ? 0 : count(text);
  const bytesPerToken = tokens === 0 ? usualBytesPerToken : Buffer.byteLength(text) / tokens;
  return Math.max(1, Math.round(textBytes / bytesPerToken));
}

/** The answer's own words in a piece of its stream: the string values that carry text in any dialect. */
function textOf(sample: string): string {
  const pieces = sample.matchAll(/"(?:text|content|delta|thinking|partial_json|arguments|reasoning_content)"\s*:\s*"((?:[^"\\]|\\.)*)"/g);
  return [...pieces].map(([, piece]) => unescape(piece ?? '')).join('');
}

function unescape(piece: string): string {
  try {
    return String(JSON.parse(`"${piece}"`));
  } catch {
    return piece;
  }
}

function inputTokens(request: ProxyRequest, count: (text: string) => number): number {
  const text = request.bytes.toString('utf8', 0, countedCharacters);
  return Math.max(1, Math.round((count(text) * request.bytes.length) / Math.max(1, Buffer.byteLength(text))));
}

let loading: Promise<(text: string) => number> | undefined;

/** Its vocabulary is several MB: loaded when first needed. */
function tokenizer(): Promise<(text: string) => number> {
  loading ??= import('gpt-tokenizer').then(({ countTokens }) => (text: string) => countTokens(text, { allowedSpecial: 'all' }));
  return loading;
}
