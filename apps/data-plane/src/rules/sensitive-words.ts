import type { Snapshot } from '@hub/contract';
import AhoCorasick from 'modern-ahocorasick';
import { isRecord, type JsonObject } from '../request/json.ts';
import { compileRegex, type LinearRegex } from './linear-regex.ts';

/** Sensitive words (contract F1): which text of a user or of the system may not be sent. */
export interface WordHit {
  readonly word: string;
  readonly matchType: 'contains' | 'exact' | 'regex';
  readonly matchedText: string;
}

export interface WordDetector {
  /** The first hit of the first text: contains, then exact, then regex. */
  detect(texts: Iterable<string>): WordHit | undefined;
}

const detectors = new WeakMap<Snapshot['sensitiveWords'], WordDetector>();

/** One detector per list of words; undefined if the list is empty. */
export function wordDetectorOf({ sensitiveWords }: Snapshot): WordDetector | undefined {
  if (sensitiveWords.size === 0) return undefined;
  let detector = detectors.get(sensitiveWords);
  if (detector === undefined) {
    detector = createDetector(sensitiveWords);
    detectors.set(sensitiveWords, detector);
  }
  return detector;
}

/** How much around a hit is shown. Characters. */
const snippetRadius = 20;

function createDetector(words: Snapshot['sensitiveWords']): WordDetector {
  const of = (type: WordHit['matchType']) => [...words.values()].filter((entry) => entry.matchType === type).map((entry) => entry.word);
  const contained = [...new Set(of('contains').map((word) => word.toLowerCase()))].filter((word) => word !== '');
  const automaton = contained.length === 0 ? undefined : new AhoCorasick(contained);
  const exact = new Set(of('exact').map((word) => word.trim().toLowerCase()));
  const regexes = of('regex').flatMap((word) => {
    const regex = compileRegex(word, true);
    return regex === undefined ? [] : [{ word, regex }];
  });
  const detectIn = (text: string): WordHit | undefined => containsHit(automaton, text) ?? exactHit(exact, text) ?? regexHit(regexes, text);
  return {
    detect(texts) {
      for (const text of texts) {
        const hit = detectIn(text);
        if (hit !== undefined) return hit;
      }
      return undefined;
    },
  };
}

function containsHit(automaton: AhoCorasick | undefined, text: string): WordHit | undefined {
  const found = automaton?.findFirst(text.toLowerCase());
  if (found === undefined) return undefined;
  const from = Math.max(0, found.start - snippetRadius);
  const to = Math.min(text.length, found.end + snippetRadius);
  const snippet = `${from > 0 ? '...' : ''}${text.slice(from, to)}${to < text.length && from > 0 ? '...' : ''}`;
  return { word: found.pattern, matchType: 'contains', matchedText: snippet };
}

function exactHit(exact: ReadonlySet<string>, text: string): WordHit | undefined {
  const trimmed = text.trim();
  return exact.has(trimmed.toLowerCase()) ? { word: trimmed, matchType: 'exact', matchedText: trimmed } : undefined;
}

function regexHit(regexes: readonly { word: string; regex: LinearRegex }[], text: string): WordHit | undefined {
  for (const { word, regex } of regexes) {
    const found = regex.find(text);
    if (found !== undefined) return { word, matchType: 'regex', matchedText: found.text };
  }
  return undefined;
}

/** What users and the system say, in any dialect. Answers of a model and results of tools are not looked at. */
export function* spokenTexts(body: JsonObject | undefined): Generator<string> {
  if (body === undefined) return;
  const wrapped = body['request'];
  if (isRecord(wrapped)) yield* spokenTexts(wrapped);
  for (const field of ['system', 'instructions', 'systemInstruction', 'system_instruction'] as const) yield* textsOf(body[field]);
  for (const field of ['messages', 'input', 'contents'] as const) {
    const list = body[field];
    if (typeof list === 'string') yield list;
    if (!Array.isArray(list)) continue;
    for (const entry of list as unknown[]) {
      if (typeof entry === 'string') yield entry;
      else if (isRecord(entry) && spokenRoles.has(String(entry['role'] ?? 'user'))) yield* textsOf(entry['content'] ?? entry['parts']);
    }
  }
}

const spokenRoles = new Set(['user', 'system', 'developer']);

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (Array.isArray(value)) for (const block of value as unknown[]) yield* textsOf(block);
  else if (isRecord(value)) {
    if (typeof value['text'] === 'string') yield value['text'];
    else if (typeof value['content'] === 'string' && value['type'] !== 'tool_result') yield value['content'];
    else if (Array.isArray(value['parts'])) yield* textsOf(value['parts']);
  }
}
