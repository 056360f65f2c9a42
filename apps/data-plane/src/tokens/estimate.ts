import type { Usage, Watcher } from '@hub/protocol';
import { emptyUsage } from '@hub/protocol';
import type { ProxyRequest } from '../request/proxy-request.ts';
import type { TokenCounter } from './token-counter.ts';

/**
 * Tokens that the upstream did not get to report, because somebody left, somebody broke off, or the upstream reports
 * none. Counted with a tokenizer: of the request as a whole, of the answer by the rate of a sample, so that no answer is
 * kept for it. Marked as an estimate in the row.
 */

/** How much of an answer is kept to learn how many bytes a token has. Bytes. */
const sampleBytes = 4096;
/** English prose in the tokenizer's vocabulary; used where a sample is too short to say more. Bytes per token. */
const usualBytesPerToken = 4;
/** A shorter piece of text says nothing about the rate. Characters. */
const shortestSample = 40;
/** Requests beyond this are counted by their first part. Bytes. */
const countedBytes = 400_000;

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
export async function estimateUsage(request: ProxyRequest, watcher: Watcher, sample: string, counter: TokenCounter): Promise<Usage> {
  const reported = watcher.usage;
  const promptReported = reported !== undefined && reported.input + reported.cacheRead + reported.cacheWrite5m + reported.cacheWrite1h + reported.cacheWriteUnsplit > 0;
  const [output, base] = await Promise.all([
    outputTokens(watcher.textBytes, sample, counter),
    promptReported ? reported : inputTokens(request, counter).then((input): Usage => ({ ...emptyUsage(), input })),
  ]);
  return { ...base, output: Math.max(reported?.output ?? 0, output) };
}

async function outputTokens(textBytes: number, sample: string, counter: TokenCounter): Promise<number> {
  if (textBytes === 0) return 0;
  const text = textOf(sample);
  const tokens = text.length < shortestSample ? undefined : await counter.count(text);
  const bytesPerToken = tokens === undefined || tokens === 0 ? usualBytesPerToken : Buffer.byteLength(text) / tokens;
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

/** The request's text, JSON and all: close to what the model reads, since names and brackets are few beside the words. */
export async function inputTokens(request: ProxyRequest, counter: TokenCounter): Promise<number> {
  const text = request.bytes.toString('utf8', 0, countedBytes);
  const tokens = (await counter.count(text)) ?? text.length / usualBytesPerToken;
  return Math.max(1, Math.round((tokens * request.bytes.length) / Math.max(1, Math.min(countedBytes, request.bytes.length))));
}
