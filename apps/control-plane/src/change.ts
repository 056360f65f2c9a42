import type { CallContext } from './context.ts';
import { Prisma } from './generated/prisma/client.ts';
import { withoutCredentials } from './mask.ts';

export type Transaction = Prisma.TransactionClient;

export interface AuditEntry {
  readonly entity: 'user' | 'key' | 'provider' | 'price' | 'session' | 'settings';
  /** Null if it is about many. */
  readonly entityId: number | null;
  /** The row before and after; null where there was or is none. */
  readonly before: object | null;
  readonly after: object | null;
}

/**
 * Every change of configuration goes through here: one transaction holds the change and its audit rows, and the database
 * itself counts the revision up.
 *
 * Changes run one after the other, over all control planes: the lock that the database's triggers would take at the first
 * write is taken at the start, so that what `work` reads is still true when it writes (a last key cannot be removed twice).
 */
export async function change<T>(
  context: CallContext,
  work: (tx: Transaction, record: (entry: AuditEntry) => void) => Promise<T>,
): Promise<T> {
  return context.database.prisma.$transaction(
    async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${configChangeLock})`;
      const entries: AuditEntry[] = [];
      const result = await work(tx, (entry) => entries.push(entry));
      if (entries.length > 0) await tx.hubAuditLog.createMany({ data: entries.map((entry) => auditRow(context, entry)) });
      return result;
    },
    { maxWait: 10_000, timeout: 30_000 },
  );
}

/** What hub_config_lock() of the hub's first migration locks. */
const configChangeLock = 6845794n;

function auditRow({ action, caller, requestIp }: CallContext, { entity, entityId, before, after }: AuditEntry): Prisma.HubAuditLogCreateManyInput {
  return {
    actorKind: caller.user.id === -1 ? 'admin_token' : caller.user.role,
    actorId: caller.user.id,
    actorName: caller.user.name.slice(0, 200),
    action,
    entity,
    entityId,
    before: before === null ? Prisma.DbNull : auditable(before),
    after: after === null ? Prisma.DbNull : auditable(after, before),
    ...(requestIp !== undefined && { requestIp: requestIp.slice(0, 64) }),
  };
}

const secrets = new Set(['key', 'webhookUrl', 'telegramBotToken', 'dingtalkSecret', 'customHeaders']);
const urls = new Set(['url', 'proxyUrl', 'mcpPassthroughUrl']);

/** A row as JSON without its secrets; of a secret it tells only whether it changed. */
export function auditable(row: object, previous?: object | null): Prisma.InputJsonObject {
  const earlier: Record<string, unknown> = { ...previous };
  const kept: Record<string, Prisma.InputJsonValue | null> = {};
  for (const [field, value] of Object.entries(row)) {
    if (value === undefined || value instanceof Uint8Array) continue;
    if (secrets.has(field) && value !== null) kept[field] = field in earlier && earlier[field] !== value ? '[new secret]' : '[secret]';
    else if (urls.has(field) && typeof value === 'string') kept[field] = withoutCredentials(value);
    else kept[field] = JSON.parse(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)));
  }
  return kept;
}
