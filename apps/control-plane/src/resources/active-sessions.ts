import type { SessionInfo } from '@hub/limits';
import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import { change } from '../change.ts';
import type { CallContext } from '../context.ts';
import { Failure } from '../failure.ts';
import * as fields from '../fields.ts';
import { ignored, noBody, noData, type Operation, operation } from '../operation.ts';
import { type SessionUsage, sessionUsage } from '../session-usage.ts';

/** Sessions with a request in the last five minutes: who they are comes from the data planes, what they used from the log. */

const activeSession = z
  .object({
    sessionId: z.string(),
    userName: z.string(),
    userId: z.number(),
    keyId: z.number(),
    keyName: z.string(),
    providerId: z.number().nullable().meta({ description: 'the first that served it' }),
    providerName: z.string().nullable().meta({ description: 'all that served it' }),
    model: z.string().nullable().meta({ description: 'all that it used' }),
    apiType: z.enum(['chat', 'codex']),
    startTime: z.number().meta({ description: 'epoch ms' }),
    inputTokens: z.number(),
    outputTokens: z.number(),
    cacheCreationInputTokens: z.number(),
    cacheReadInputTokens: z.number(),
    totalTokens: z.number(),
    costUsd: z.string(),
    status: z.enum(['in_progress', 'completed', 'error']).meta({ description: 'of its latest request' }),
    durationMs: z.number().meta({ description: 'of its requests together' }),
    requestCount: z.number(),
  })
  .meta({ id: 'ActiveSession' });

async function getActiveSessions(context: CallContext): Promise<z.output<typeof activeSession>[]> {
  const sessions = await context.live.sessions({ userId: visibleUser(context) });
  const usage = await sessionUsage(context.database.pool, sessions);
  return sessions.flatMap((session, at) => {
    const used = usage[at];
    return used === undefined ? [] : [showSession(session, used)];
  });
}

/** Whose sessions the caller may see; undefined = everybody's. */
function visibleUser({ caller }: CallContext): number | undefined {
  return isAdmin(caller) ? undefined : caller.user.id;
}

/** A request is in the log once it has ended: of the one that runs the data plane tells. */
function showSession(session: SessionInfo, used: SessionUsage): z.output<typeof activeSession> {
  const running = session.status === 'in_progress';
  const { inputTokens, outputTokens, cacheCreationInputTokens, cacheReadInputTokens } = used;
  const providers = used.providers.length > 0 ? used.providers : session.providerId === undefined ? [] : [{ id: session.providerId, name: session.providerName }];
  const models = used.models.length > 0 || session.model === '' ? used.models : [session.model];
  return {
    sessionId: session.sessionId,
    userName: session.userName,
    userId: session.userId,
    keyId: session.keyId,
    keyName: session.keyName,
    providerId: providers[0]?.id ?? null,
    providerName: providers.map(({ name }) => name).join(', ') || null,
    model: models.join(', ') || null,
    apiType: session.apiType,
    startTime: Math.min(used.firstAt ?? session.startedAt, session.startedAt),
    inputTokens,
    outputTokens,
    cacheCreationInputTokens,
    cacheReadInputTokens,
    totalTokens: inputTokens + outputTokens + cacheCreationInputTokens + cacheReadInputTokens,
    costUsd: used.costUsd,
    status: session.status,
    durationMs: used.durationMs,
    requestCount: used.requestCount + (running ? 1 : 0),
  };
}

const sessionId = fields.filled(256);
const mostTerminated = 500;

async function terminateActiveSession(context: CallContext, input: { sessionId: string }): Promise<void> {
  const { missingCount } = await terminate(context, [input.sessionId]);
  if (missingCount > 0) throw new Failure('sessionNotFound', { code: 'NOT_FOUND' });
}

const terminated = z.object({
  requestedCount: z.number(),
  successCount: z.number(),
  missingCount: z.number().meta({ description: 'not active, or not yours' }),
});

async function terminateActiveSessionsBatch(context: CallContext, { sessionIds }: { sessionIds: string[] }): Promise<z.output<typeof terminated>> {
  return terminate(context, [...new Set(sessionIds)]);
}

/** Of an id that several keys use all that the caller may see are terminated. */
async function terminate(context: CallContext, ids: readonly string[]): Promise<z.output<typeof terminated>> {
  if (await context.live.unreachable()) throw new Failure('liveStateUnreachable');
  const found = await context.live.sessions({ userId: visibleUser(context), sessionIds: new Set(ids) });
  const gone: SessionInfo[] = [];
  for (const session of found) if (await context.live.terminateSession(session)) gone.push(session);
  if (gone.length > 0) {
    await change(context, async (_, record) => {
      for (const { sessionId: id, userId, keyId } of gone) record({ entity: 'session', entityId: null, before: { sessionId: id, userId, keyId }, after: null });
    });
  }
  const successCount = new Set(gone.map((session) => session.sessionId)).size;
  return { requestedCount: ids.length, successCount, missingCount: ids.length - successCount };
}

export function activeSessionOperations(): Operation[] {
  const shared = { module: 'active-sessions', tag: 'Sessions', role: 'user' } as const;
  const one = z.object({ sessionId });
  const several = z.object({ sessionIds: z.array(sessionId).min(1, 'required').max(mostTerminated, 'tooMany') });
  return [
    operation({
      ...shared,
      action: 'getActiveSessions',
      summary: 'Sessions of the last five minutes, the latest first: all of them for an admin, otherwise one’s own',
      body: noBody,
      input: ignored,
      output: z.array(activeSession),
      run: getActiveSessions,
    }),
    operation({
      ...shared,
      action: 'terminateActiveSession',
      summary: 'Forgets a session and its provider; requests that are running go on',
      body: one,
      input: one,
      output: noData,
      run: terminateActiveSession,
    }),
    operation({
      ...shared,
      action: 'terminateActiveSessionsBatch',
      summary: 'Forgets several sessions',
      body: several,
      input: several,
      output: terminated,
      run: terminateActiveSessionsBatch,
    }),
  ];
}
