import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterFailure,
  afterProbe,
  afterSuccess,
  afterTrial,
  parseRecord,
  phaseAt,
  pristine,
  TRIAL_MS,
  withTrial,
} from './breaker-machine.ts';
import type { BreakerRecord, BreakerRules } from './breaker-machine.ts';

const rules: BreakerRules = { failureThreshold: 3, openMs: 1000, halfOpenSuccesses: 2 };

function failing(times: number, from: BreakerRecord = pristine): BreakerRecord {
  let record = from;
  for (let time = 1; time <= times; time += 1) record = afterFailure(record, rules, time);
  return record;
}

describe('a breaker', () => {
  it('opens at the threshold of consecutive failures', () => {
    expect(failing(2)).toMatchObject({ phase: 'closed', failures: 2, lastFailureAt: 2 });
    expect(failing(3)).toMatchObject({ phase: 'open', failures: 3, openUntil: 1003 });
    expect(failing(2, afterSuccess(failing(2)))).toMatchObject({ phase: 'closed', failures: 2 });
  });

  it('is off with threshold 0, even if it was open before', () => {
    const off = { ...rules, failureThreshold: 0 };
    expect(afterFailure(pristine, off, 1)).toBe(pristine);
    expect(phaseAt(failing(3), off, 2)).toBe('closed');
  });

  it('is half-open when its time is over', () => {
    const open = failing(3);
    expect([phaseAt(open, rules, 1002), phaseAt(open, rules, 1003)]).toEqual(['open', 'half-open']);
    expect(withTrial(open, rules, 1002, 'a')).toBe(open);
  });

  it('lets as many trials through at a time as it wants successes', () => {
    const one = withTrial(failing(3), rules, 1003, 'a');
    const two = withTrial(one, rules, 1004, 'b');
    expect(two.trials.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(withTrial(two, rules, 1005, 'c')).toBe(two);
    const afterOne = afterTrial(two, rules, 1006, { id: 'a', verdict: 'none' });
    expect(withTrial(afterOne, rules, 1007, 'c').trials.map(({ id }) => id)).toEqual(['b', 'c']);
    expect(withTrial(two, rules, 1003 + TRIAL_MS, 'c').trials.map(({ id }) => id)).toEqual(['b', 'c']);
  });

  it('closes after enough successes and starts from zero', () => {
    const two = withTrial(withTrial(failing(3), rules, 1003, 'a'), rules, 1003, 'b');
    const half = afterTrial(two, rules, 1004, { id: 'a', verdict: 'success' });
    expect(half).toMatchObject({ phase: 'half-open', successes: 1 });
    const closed = afterTrial(half, rules, 1005, { id: 'b', verdict: 'success' });
    expect(closed).toMatchObject({ phase: 'closed', failures: 0, successes: 0, trials: [], lastFailureAt: 3 });
  });

  it('opens again at the first failed trial, and later verdicts change nothing', () => {
    const two = withTrial(withTrial(failing(3), rules, 1003, 'a'), rules, 1003, 'b');
    const open = afterTrial(two, rules, 1100, { id: 'a', verdict: 'failure' });
    expect(open).toMatchObject({ phase: 'open', openUntil: 2100, trials: [], failures: 3 });
    expect(afterTrial(open, rules, 1101, { id: 'b', verdict: 'success' })).toBe(open);
  });

  it('is not told anything by requests from before it opened', () => {
    const open = failing(3);
    expect(afterFailure(open, rules, 500)).toBe(open);
    expect(afterSuccess(open)).toBe(open);
    const half = withTrial(open, rules, 1003, 'a');
    expect(afterFailure(half, rules, 1004)).toBe(half);
    expect(afterSuccess(half)).toBe(half);
  });

  it('may be tried at once after a probe', () => {
    expect(phaseAt(afterProbe(failing(3), 10), rules, 10)).toBe('half-open');
    expect(afterProbe(pristine, 10)).toBe(pristine);
  });

  it('survives being written and read', () => {
    for (const record of [pristine, failing(3), withTrial(failing(3), rules, 1003, 'a')]) {
      expect(parseRecord(JSON.stringify(record))).toEqual(record);
    }
    for (const text of ['', 'null', '{}', '{"phase":"ajar"}', '[']) expect(parseRecord(text)).toBeUndefined();
  });

  it('in no history has more trials than allowed, leaks one, or stays open for ever', () => {
    const event = fc.record({
      kind: fc.constantFrom('failure', 'success', 'trial', 'trial-success', 'trial-failure', 'trial-none', 'probe'),
      wait: fc.nat(700),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let record = pristine;
        let now = 0;
        let next = 0;
        for (const { kind, wait } of events) {
          now += wait;
          const [trial] = record.trials;
          if (kind === 'failure') record = afterFailure(record, rules, now);
          else if (kind === 'success') record = afterSuccess(record);
          else if (kind === 'probe') record = afterProbe(record, now);
          else if (kind === 'trial') record = withTrial(record, rules, now, `t${(next += 1)}`);
          else if (trial !== undefined) {
            const verdict = kind === 'trial-success' ? 'success' : kind === 'trial-failure' ? 'failure' : 'none';
            record = afterTrial(record, rules, now, { id: trial.id, verdict });
          }
          expect(record.trials.length).toBeLessThanOrEqual(rules.halfOpenSuccesses);
          if (record.phase !== 'half-open') expect(record.trials).toEqual([]);
          if (record.phase === 'closed') expect(record.failures).toBeLessThan(rules.failureThreshold);
        }
        const later = now + rules.openMs + TRIAL_MS;
        if (phaseAt(record, rules, later) !== 'closed') {
          expect(withTrial(record, rules, later, 'last').trials.some(({ id }) => id === 'last')).toBe(true);
        }
      }),
    );
  });
});
