import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { JsonProgress } from './json-progress.ts';

it('is complete exactly when the whole text has been fed', () => {
  fc.assert(
    fc.property(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), fc.nat(), (value, cut) => {
      const text = JSON.stringify(value);
      const place = cut % text.length;
      const progress = new JsonProgress();
      progress.feed(text.slice(0, place));
      expect(progress.complete).toBe(false);
      progress.feed(text.slice(place));
      expect(progress.complete).toBe(true);
    }),
  );
});
