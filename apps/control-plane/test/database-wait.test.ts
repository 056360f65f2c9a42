import { silentLogger } from '@hub/service';
import { freePort } from '@hub/testkit';
import { expect, it } from 'vitest';
import { tryDatabase, waitForDatabase } from '../src/database-wait.ts';

const failure = (code: string) => Object.assign(new Error(`failed with ${code}`), { code });

it('tries again while the database may still come up', async () => {
  const outcomes = [failure('ECONNREFUSED'), failure('57P03'), undefined];
  const attempt = async (): Promise<void> => {
    const outcome = outcomes.shift();
    if (outcome !== undefined) throw outcome;
  };
  await waitForDatabase(attempt, { waitMs: 60_000, pauseMs: 1, log: silentLogger });
  expect(outcomes).toEqual([]);
});

it('does not wait for what will not mend itself', async () => {
  let attempts = 0;
  const attempt = async (): Promise<void> => {
    attempts++;
    throw failure('28P01');
  };
  await expect(waitForDatabase(attempt, { waitMs: 60_000, pauseMs: 1, log: silentLogger })).rejects.toThrow('failed with 28P01');
  expect(attempts).toBe(1);
});

it('says in one line that nobody is there', async () => {
  const url = `postgresql://user:secret@127.0.0.1:${await freePort()}/hub`;
  const error: unknown = await waitForDatabase(() => tryDatabase(url), { waitMs: 0, log: silentLogger }).catch((reason: unknown) => reason);
  expect(String(error)).toMatch(/^Error: PostgreSQL cannot be reached: connect ECONNREFUSED [^\n]*$/);
  expect(String(error)).not.toContain('secret');
});
