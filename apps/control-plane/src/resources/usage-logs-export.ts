import type { CallContext } from '../context.ts';
import { Download } from '../http/download.ts';
import { dateOf } from './statistics-buckets.ts';
import { type LogFilter, whoseRows, type WhoseRows } from './usage-logs-filter.ts';
import { type Cursor, type LogRow, pageOfLogs } from './usage-logs-rows.ts';
import { numberOfRows, summaryOf } from './usage-logs-summary.ts';

/** The log as a table for spreadsheets. */

type Cell = string | number | null;

const columns: readonly (readonly [string, (row: LogRow) => Cell])[] = [
  ['Time', (row) => row.createdAt],
  ['User', (row) => row.userName],
  ['Key', (row) => row.keyName],
  ['Provider', (row) => row.providerName],
  ['Model', (row) => row.model],
  ['Original Model', (row) => row.originalModel],
  ['Endpoint', (row) => row.endpoint],
  ['Status Code', (row) => row.statusCode],
  ['Input Tokens', (row) => row.inputTokens],
  ['Output Tokens', (row) => row.outputTokens],
  ['Cache Write 5m', (row) => row.cacheCreation5mInputTokens],
  ['Cache Write 1h', (row) => row.cacheCreation1hInputTokens],
  ['Cache Read', (row) => row.cacheReadInputTokens],
  ['Total Tokens', (row) => row.totalTokens],
  ['Cost (USD)', (row) => row.costUsd],
  ['Duration (ms)', (row) => row.durationMs],
  ['Session ID', (row) => row.sessionId],
  ['Retry Count', (row) => (Array.isArray(row.providerChain) ? Math.max(row.providerChain.length - 1, 0) : 0)],
];

/** Spreadsheets take texts that begin so for formulas, and user agents and session ids come from outside. */
const formula = /^\s*[=+\-@]|^[\t\r]/;

/** One field of a CSV file: formulas are disarmed, what needs quotes gets them. */
export function csvField(value: Cell): string {
  if (value === null) return '';
  const text = typeof value === 'string' && formula.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvLine(fields: readonly Cell[]): string {
  return `${fields.map(csvField).join(',')}\n`;
}

/** Without it spreadsheets take UTF-8 for something else. */
const byteOrderMark = '\uFEFF';
const rowsPerQuery = 1000;

/** @param limit rows at the most, the newest */
export async function exportUsageLogs(context: CallContext, { limit, ...filter }: LogFilter & { limit: number }): Promise<Download> {
  const whose = await whoseRows(context, filter);
  const rows = await numberOfRows(context, { whose, filter, counting: await summaryOf(context, whose, filter) });
  return new Download({
    fileName: `usage-logs-${dateOf(context.clock.now(), context.timeZone)}.csv`,
    contentType: 'text/csv; charset=utf-8',
    rows: Math.min(rows, limit),
    chunks: lines(context, { whose, filter, limit }),
  });
}

/** Page by page with a cursor: nothing is held that would keep the database from cleaning up, and no row comes twice. */
async function* lines(context: CallContext, { whose, filter, limit }: { whose: WhoseRows; filter: LogFilter; limit: number }): AsyncGenerator<string> {
  yield byteOrderMark + csvLine(columns.map(([name]) => name));
  let after: Cursor | undefined;
  for (let left = limit; left > 0; left -= rowsPerQuery) {
    const wanted = Math.min(left, rowsPerQuery);
    const page = await pageOfLogs(context, { whose, filter, limit: wanted, after });
    if (page.rows.length > 0) yield page.rows.map((row) => csvLine(columns.map(([, cell]) => cell(row)))).join('');
    if (page.rows.length < wanted) return;
    after = page.last;
  }
}
