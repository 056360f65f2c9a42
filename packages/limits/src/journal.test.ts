import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Journal } from './journal.ts';

describe('a journal', () => {
  const timeOf = (at: number): number => at;

  it('drops the oldest by number and by age, and says so', () => {
    const dropped: number[] = [];
    const journal = new Journal<number>({ most: 3, keepMs: 100, timeOf, onDropped: (at) => dropped.push(at) });
    for (const at of [1, 2, 3, 4, 103]) journal.push(at);
    expect(journal.list()).toEqual([3, 4, 103]);
    expect(dropped).toEqual([1, 2]);
    journal.push(105);
    expect(journal.list()).toEqual([103, 105]);
    expect(dropped).toEqual([1, 2, 3, 4]);
  });

  it('is a queue, whatever is taken and put back', () => {
    const act = fc.oneof(fc.constant('push'), fc.constant('take'), fc.constant('put back'));
    fc.assert(
      fc.property(fc.array(fc.tuple(act, fc.integer({ min: 1, max: 700 }))), (acts) => {
        const journal = new Journal<number>({ most: Number.POSITIVE_INFINITY, timeOf });
        let model: number[] = [];
        let next = 0;
        for (const [what, count] of acts) {
          if (what === 'push') {
            for (let time = 0; time < count; time += 1) {
              journal.push(next);
              model.push(next);
              next += 1;
            }
          } else {
            const taken = journal.take(count);
            expect(taken).toEqual(model.slice(0, count));
            if (what === 'put back') journal.putBack(taken);
            else model = model.slice(count);
          }
          expect(journal.size).toBe(model.length);
        }
        expect(journal.list()).toEqual(model);
      }),
      { numRuns: 50 },
    );
  });
});
