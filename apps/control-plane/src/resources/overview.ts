import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import type { CallContext } from '../context.ts';
import { calendarOf } from '@hub/limits';
import { ignored, noBody, type Operation, operation } from '../operation.ts';
import { sqlValues, usageIn } from './statistics-source.ts';
import { settingsOf } from './system-settings.ts';

/** The whole hub today, in five numbers. */

const overview = z
  .object({
    concurrentSessions: z.number().meta({ description: 'sessions of the last five minutes' }),
    todayRequests: z.number(),
    todayCost: z.number().meta({ description: 'USD' }),
    avgResponseTime: z.number().meta({ description: 'ms' }),
    todayErrorRate: z.number().meta({ description: 'percent of requests that ended with a status of 400 or above' }),
  })
  .meta({ id: 'Overview' });
type Overview = z.output<typeof overview>;

const nothing: Overview = { concurrentSessions: 0, todayRequests: 0, todayCost: 0, avgResponseTime: 0, todayErrorRate: 0 };

/** More than this are not counted one by one. */
const mostSessions = 1_000_000;

interface Today {
  readonly requests: number;
  readonly cost: number;
  readonly response_time: number;
  readonly error_rate: number;
}

async function getOverviewData(context: CallContext): Promise<Overview> {
  const { caller, clock, timeZone, database, live } = context;
  if (!isAdmin(caller) && !(await settingsOf(context)).allowGlobalUsageView) return nothing;
  const sql = sqlValues();
  const usage = usageIn(calendarOf(timeZone).day(clock.now(), 0), sql);
  const [sessions, { rows }] = await Promise.all([
    live.sessions({ most: mostSessions }),
    database.pool.query<Today>(
      `SELECT coalesce(sum(requests), 0)::int AS requests, coalesce(round(sum(cost), 6), 0)::float8 AS cost,
         coalesce(round(sum(duration_ms_sum) / nullif(sum(duration_count), 0)), 0)::int AS response_time,
         coalesce(round(100 * sum(errors) / nullif(sum(requests), 0), 2), 0)::float8 AS error_rate
       FROM ${usage} AS usage`,
      sql.values,
    ),
  ]);
  const [today] = rows;
  if (today === undefined) return nothing;
  return {
    concurrentSessions: sessions.length,
    todayRequests: today.requests,
    todayCost: today.cost,
    avgResponseTime: today.response_time,
    todayErrorRate: today.error_rate,
  };
}

export function overviewOperations(): Operation[] {
  return [
    operation({
      module: 'overview',
      action: 'getOverviewData',
      role: 'user',
      tag: 'Overview',
      summary: 'Today in five numbers; all of them 0 for who may not see the usage of all',
      body: noBody,
      input: ignored,
      output: overview,
      run: getOverviewData,
    }),
  ];
}
