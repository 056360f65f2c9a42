import { encodeError } from '@hub/protocol';
import type { JsonObject } from '../request/json.ts';
import { spokenTexts, wordDetectorOf, type WordHit } from '../rules/sensitive-words.ts';
import type { Guard } from './guard.ts';

/** Requests that say a sensitive word go nowhere; they leave a row (contract C2.2). */
export const sensitiveWords: Guard = {
  name: 'sensitive-words',
  onCountTokens: false,
  check({ request, snapshot }) {
    const hit = wordDetectorOf(snapshot)?.detect(spokenTexts(request.body));
    if (hit === undefined) return undefined;
    return {
      status: 400,
      body: encodeError(request.dialect, { status: 400, type: 'invalid_request_error', code: 'invalid_request_error', message: messageOf(hit) }) as JsonObject,
      recordAs: { blockedBy: 'sensitive_word', reason: { word: hit.word, matchType: hit.matchType, matchedText: hit.matchedText }, error: `The request contains the sensitive word "${hit.word}".` },
    };
  },
};

function messageOf({ word, matchType, matchedText }: WordHit): string {
  const where = matchedText.toLowerCase() === word.toLowerCase() ? '' : ` in "${matchedText}"`;
  return `The request contains the sensitive word "${word}"${where} (${matchType}). Please change it and try again.`;
}
