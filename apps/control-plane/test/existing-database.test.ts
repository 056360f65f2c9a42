import { readFileSync } from 'node:fs';
import { baseline, loadDump, migrate } from '@hub/postgres';
import { silentLogger } from '@hub/service';
import { compareJson, type FakeClock, fakeClock, goldenAvailable, goldenFolder, goldenJson, testDatabase } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allOperations } from '../src/operations.ts';
import { type Api, startApi } from './management-api.ts';

/**
 * A whole database of v0.3.42, taken over as it is, asked what v0.3.42 was asked at the same moment. Nothing about these
 * answers is ours: rows and answers are both recorded.
 */
interface Call {
  readonly name: string;
  readonly now: string;
  readonly request: { readonly method: string; readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly body: unknown };
  readonly response: { readonly status: number; readonly body: unknown };
}

const calls = goldenAvailable ? (goldenJson('fixture-answers.json') as { calls: Call[] }).calls : [];
const actions = new Set(allOperations(fakeClock()).map(({ module, action }) => `/api/actions/${module}/${action}`));
const covered = calls.filter(({ request }) => actions.has(request.path) || request.path === '/api/auth/login');

describe.skipIf(!goldenAvailable)('an existing database of v0.3.42', () => {
  let api: Api;
  let clock: FakeClock;
  beforeAll(async () => {
    clock = fakeClock();
    const database = await testDatabase();
    await database.query('DROP SCHEMA public CASCADE');
    await database.query('CREATE SCHEMA public');
    await loadDump(database.url, readFileSync(`${goldenFolder}existing-db.sql`, 'utf8'));
    await baseline(database.url, '20260101000000_v0_3_42', { log: silentLogger });
    await migrate(database.url, { log: silentLogger });
    api = await startApi({ clock, database, secretsAtRest: 'plain' });
  });
  afterAll(() => api.close());

  it('is asked a good many things', () => {
    expect(covered.length).toBeGreaterThan(60);
  });

  for (const { name, now, request, response } of covered) {
    it(name, async () => {
      clock.set(Date.parse(now));
      // Of the last calls v0.3.42 was asked after an admin had allowed it.
      if (/mixed|global-view/.test(name)) await api.database.query('UPDATE system_settings SET allow_global_usage_view = true');
      const { authorization, cookie } = request.headers;
      const answer = await api.send(request.method, request.path, request.method === 'GET' ? undefined : JSON.stringify(request.body ?? {}), {
        token: null,
        headers: { ...(authorization !== undefined && { authorization }), ...(cookie !== undefined && { cookie }) },
      });
      expect(answer.status).toBe(response.status);
      const varying = ['error', 'data.cost5h.resetInfo'];
      expect(compareJson(comparable(response.body), comparable(answer.body), { varying })).toEqual([]);
    });
  }
});

/** Sums of v0.3.42 are sums of doubles, ours are exact; models that were called equally often come in any order. */
function comparable(value: unknown): unknown {
  if (typeof value === 'number') return Number(value.toFixed(12));
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, name === 'modelStats' ? byCallsAndName(inner) : comparable(inner)]);
  return Object.fromEntries(entries) as unknown;
}

function byCallsAndName(stats: { model: string; callCount: number }[]): unknown {
  expect(stats.map(({ callCount }) => callCount)).toEqual(stats.map(({ callCount }) => callCount).toSorted((left, right) => right - left));
  return stats.toSorted((left, right) => left.model.localeCompare(right.model));
}
