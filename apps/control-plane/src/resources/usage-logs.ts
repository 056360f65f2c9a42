import { z } from 'zod';
import type { CallContext } from '../context.ts';
import * as fields from '../fields.ts';
import { csvFile } from '../http/download.ts';
import { ignored, noBody, type Operation, operation } from '../operation.ts';
import { exportUsageLogs } from './usage-logs-export.ts';
import { filterBody, filterInput, type LogFilter, whoseRows } from './usage-logs-filter.ts';
import { type Cursor, cursorShape, logRow, pageOfLogs } from './usage-logs-rows.ts';
import { numberOfRows, type Summary, summary, summaryOf } from './usage-logs-summary.ts';
import { filterOptions, optionReader } from './usage-logs-values.ts';

/** The log of requests: everybody's for an admin, otherwise one's own. */

const defaultPageSize = 50;
/** What the transport does not check may ask for more than its 100 (v0.3.42), but not for everything. */
const mostPerPage = 1000;

const pageBody = filterBody.extend({ pageSize: z.number().int().positive().max(100).default(50), page: z.number().int().positive().default(1) });
const pageInput = filterInput.extend({
  pageSize: fields.strictWhole(1, mostPerPage).default(defaultPageSize),
  page: fields.strictWhole(1, 1_000_000).default(1),
});
const usageLogs = z.object({
  logs: z.array(logRow),
  total: z.number().meta({ description: 'rows, also those of warm-ups that the hub answered itself' }),
  summary: summary.meta({ description: 'of all rows but those of warm-ups' }),
});

async function getUsageLogs(context: CallContext, { page, pageSize, ...filter }: z.output<typeof pageInput>): Promise<z.output<typeof usageLogs>> {
  const whose = await whoseRows(context, filter);
  const [{ rows }, counting] = await Promise.all([
    pageOfLogs(context, { whose, filter, limit: pageSize, offset: (page - 1) * pageSize }),
    summaryOf(context, whose, filter),
  ]);
  return { logs: [...rows], total: await numberOfRows(context, { whose, filter, counting }), summary: counting };
}

const microseconds = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$/;
const cursorInput = z.object({
  createdAt: z.string().refine((text) => microseconds.test(text) && !Number.isNaN(Date.parse(text)), 'notDate'),
  id: fields.strictWhole(0, 2_147_483_647),
});
const batchBody = filterBody.extend({ cursor: cursorShape.nullish(), limit: z.number().int().min(1).max(100).optional() });
const batchInput = filterInput.extend({ cursor: cursorInput.nullish(), limit: fields.strictWhole(1, 100).default(defaultPageSize) });
const batch = z.object({
  logs: z.array(logRow),
  nextCursor: cursorShape.nullable().meta({ description: 'to be sent for the rows that follow; null at the end' }),
  hasMore: z.boolean(),
});

/** Rows that arrive meanwhile move nothing: a cursor names a row and not a number of rows. */
async function getUsageLogsBatch(context: CallContext, { cursor, limit, ...filter }: z.output<typeof batchInput>): Promise<z.output<typeof batch>> {
  const whose = await whoseRows(context, filter);
  const { rows, last } = await pageOfLogs(context, { whose, filter, limit: limit + 1, after: cursor ?? undefined });
  const hasMore = rows.length > limit;
  if (!hasMore || last === undefined) return { logs: [...rows], nextCursor: null, hasMore: false };
  return { logs: rows.slice(0, limit), nextCursor: await cursorOf(context, rows[limit - 1]?.id), hasMore };
}

/** Answers tell times to the millisecond, the order of rows needs the microsecond. */
async function cursorOf({ database }: CallContext, id: number | undefined): Promise<Cursor | null> {
  const { rows } = await database.pool.query<Cursor>(
    `SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAt", id FROM message_request WHERE id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

async function getUsageLogsStats(context: CallContext, filter: LogFilter): Promise<Summary> {
  return summaryOf(context, await whoseRows(context, filter), filter);
}

const defaultExport = 10_000;
const mostExported = 1_000_000;

export function usageLogOperations(): Operation[] {
  const shared = { module: 'usage-logs', tag: 'Usage logs', role: 'user' } as const;
  const none = { body: noBody, input: ignored };
  const options = optionReader();
  const exportLimit = z.number().int().min(1).max(mostExported);
  return [
    operation({
      ...shared,
      action: 'getUsageLogs',
      summary: 'A page of the log, newest first, and the sums of all rows that the filter finds',
      body: pageBody,
      input: pageInput,
      output: usageLogs,
      run: getUsageLogs,
    }),
    operation({
      ...shared,
      action: 'getUsageLogsBatch',
      summary: 'The rows that follow a cursor; pages stay in place while rows arrive',
      body: batchBody,
      input: batchInput,
      output: batch,
      run: getUsageLogsBatch,
    }),
    operation({ ...shared, action: 'getUsageLogsStats', summary: 'The sums of all rows that the filter finds', body: filterBody, input: filterInput, output: summary, run: getUsageLogsStats }),
    operation({
      ...shared,
      action: 'exportUsageLogs',
      summary: 'The rows that the filter finds as CSV, newest first; the header X-Total-Rows says how many there will be',
      body: filterBody.extend({ limit: exportLimit.optional().meta({ description: 'rows at the most; default 10000' }) }),
      input: filterInput.extend({ limit: fields.strictWhole(1, mostExported).default(defaultExport) }),
      output: csvFile,
      run: exportUsageLogs,
    }),
    operation({ ...shared, ...none, action: 'getModelList', summary: 'The models of the log', output: z.array(z.string()), run: async (context) => (await options(context)).models }),
    operation({ ...shared, ...none, action: 'getStatusCodeList', summary: 'The status codes of the log', output: z.array(z.number()), run: async (context) => (await options(context)).statusCodes }),
    operation({ ...shared, ...none, action: 'getEndpointList', summary: 'The endpoints of the log', output: z.array(z.string()), run: async (context) => (await options(context)).endpoints }),
    operation({ ...shared, ...none, action: 'getFilterOptions', summary: 'The models, status codes and endpoints of the log', output: filterOptions, run: options }),
  ];
}
