import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import type { CallContext } from '../context.ts';
import * as fields from '../fields.ts';
import type { TextKey } from '../texts.ts';
import { keyTexts, ofKey, type SqlValues } from './statistics-source.ts';

/** Which rows of the log somebody asks for. */

const notDate: TextKey = 'notDate';

const shape = {
  userId: fields.idShape.optional().meta({ description: 'only for admins; everybody else sees their own rows' }),
  keyId: fields.idShape.optional(),
  providerId: fields.idShape.optional(),
  startDate: z.iso.datetime().optional().meta({ description: 'UTC, ending in Z' }),
  endDate: z.iso.datetime().optional().meta({ description: 'UTC, ending in Z; inclusive' }),
  startTime: z.number().optional().meta({ description: 'epoch ms' }),
  endTime: z.number().optional().meta({ description: 'epoch ms; exclusive' }),
  startDateLocal: z.string().optional().meta({ description: '`YYYY-MM-DD` or `YYYY-MM-DDTHH:mm:ss` in the time zone of the hub' }),
  endDateLocal: z.string().optional().meta({ description: 'like startDateLocal; a day alone is included' }),
  model: z.string().optional(),
  endpoint: z.string().optional(),
  statusCode: z.number().optional(),
  excludeStatusCode200: z.boolean().optional().meta({ description: 'without effect beside statusCode' }),
  minRetryCount: z.number().int().min(0).optional(),
};

/** As the transport checks it. */
export const filterBody = z.object(shape);

/** The times that PostgreSQL and JavaScript both know, from 1970 to 9999; ms. */
const moment = z.number().min(0, 'tooSmall').max(253_402_300_799_999, 'tooBig');
const localTime = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?$/;
const local = z.string().refine((text) => localTime.test(text) && !Number.isNaN(Date.parse(`${text.replace(' ', 'T')}${text.length > 10 ? 'Z' : ''}`)), notDate);

/** As the operations check it: a null is none, so that an empty filter of a form does no harm. */
export const filterInput = z.object({
  ...shape,
  userId: fields.id.nullish(),
  keyId: fields.id.nullish(),
  providerId: fields.id.nullish(),
  startDate: z.iso.datetime(notDate).nullish(),
  endDate: z.iso.datetime(notDate).nullish(),
  startTime: moment.nullish(),
  endTime: moment.nullish(),
  startDateLocal: local.nullish(),
  endDateLocal: local.nullish(),
  model: z.string().nullish(),
  endpoint: z.string().nullish(),
  statusCode: fields.strictWhole(0, 999).nullish(),
  excludeStatusCode200: z.boolean().nullish(),
  minRetryCount: fields.strictWhole(0, 10_000).nullish(),
});
export type LogFilter = z.output<typeof filterInput>;

/** Attempts after the first, as v0.3.42 counts them: items of the chain but one. */
export const retries = `greatest(CASE jsonb_typeof(provider_chain) WHEN 'array' THEN jsonb_array_length(provider_chain) ELSE 0 END - 1, 0)`;

/** The part of a filter that rollups can answer as well: whose rows, through which provider, for which model, when. */
export interface WhoseRows {
  readonly userId: number | undefined;
  readonly key: { readonly id: number; readonly texts: readonly string[] } | undefined;
  readonly providerId: number | undefined;
  readonly model: string | undefined;
  /** Epoch ms; the end exclusive. */
  readonly start: number | undefined;
  readonly end: number | undefined;
}

/** Who is no admin sees nobody else's rows, whatever is asked. */
export async function whoseRows(context: CallContext, filter: LogFilter): Promise<WhoseRows> {
  const { caller, database, vault } = context;
  const key = filter.keyId == null ? null : await database.prisma.key.findUnique({ where: { id: filter.keyId } });
  const { start, end } = await spanOf(context, filter);
  return {
    userId: isAdmin(caller) ? (filter.userId ?? undefined) : caller.user.id,
    key: filter.keyId == null ? undefined : { id: filter.keyId, texts: key === null ? [] : keyTexts(vault, key) },
    providerId: filter.providerId ?? undefined,
    model: filter.model ?? undefined,
    start,
    end,
  };
}

/** All bounds that were given hold. */
async function spanOf({ database, timeZone }: CallContext, filter: LogFilter): Promise<{ start: number | undefined; end: number | undefined }> {
  const starts = [filter.startTime ?? undefined, filter.startDate == null ? undefined : Date.parse(filter.startDate)];
  const ends = [filter.endTime ?? undefined, filter.endDate == null ? undefined : Date.parse(filter.endDate) + 1];
  if (filter.startDateLocal != null || filter.endDateLocal != null) {
    // The database knows what to make of times that a clock skipped or showed twice.
    const { rows } = await database.pool.query<{ start: Date | null; end: Date | null }>(
      `SELECT $1::text::timestamp AT TIME ZONE $3 AS start,
         ($2::text::timestamp + CASE WHEN length($2) = 10 THEN interval '1 day' ELSE interval '0' END) AT TIME ZONE $3 AS end`,
      [filter.startDateLocal ?? null, filter.endDateLocal ?? null, timeZone],
    );
    starts.push(rows[0]?.start?.getTime());
    ends.push(rows[0]?.end?.getTime());
  }
  const given = (values: readonly (number | undefined)[]): number[] => values.filter((value) => value !== undefined);
  const start = Math.max(...given(starts));
  const end = Math.min(...given(ends));
  return { start: start === -Infinity ? undefined : start, end: end === Infinity ? undefined : end };
}

/** Conditions on the log or on `usageIn`, without the times. */
export function whoseConditions(sql: SqlValues, { userId, key, providerId, model }: WhoseRows): string[] {
  return [
    ...(userId === undefined ? [] : [`user_id = ${sql.add(userId)}`]),
    ...(key === undefined ? [] : [ofKey(sql, key.id, key.texts)]),
    ...(providerId === undefined ? [] : [`provider_id = ${sql.add(providerId)}`]),
    ...(model === undefined ? [] : [`model = ${sql.add(model)}`]),
  ];
}

/** Conditions on the log. */
export function logConditions(sql: SqlValues, whose: WhoseRows, filter: LogFilter): string[] {
  const { start, end } = whose;
  return [
    'deleted_at IS NULL',
    ...whoseConditions(sql, whose),
    ...(start === undefined ? [] : [`created_at >= ${sql.add(new Date(start))}`]),
    ...(end === undefined ? [] : [`created_at < ${sql.add(new Date(end))}`]),
    ...(filter.endpoint == null ? [] : [`endpoint = ${sql.add(filter.endpoint)}`]),
    ...statusConditions(sql, filter),
    ...(filter.minRetryCount ? [`${retries} >= ${sql.add(filter.minRetryCount)}`] : []),
  ];
}

function statusConditions(sql: SqlValues, { statusCode, excludeStatusCode200 }: LogFilter): string[] {
  if (statusCode != null) return [`status_code = ${sql.add(statusCode)}`];
  return excludeStatusCode200 === true ? ['status_code IS DISTINCT FROM 200'] : [];
}

/** Whether only what rollups know is asked for. */
export function knownToRollups({ endpoint, statusCode, excludeStatusCode200, minRetryCount }: LogFilter): boolean {
  return endpoint == null && statusCode == null && excludeStatusCode200 !== true && !minRetryCount;
}
