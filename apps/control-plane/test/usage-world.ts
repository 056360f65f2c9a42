import { create, UsageRecordSchema } from '@hub/contract';
import { recordId, Registry, silentLogger } from '@hub/service';
import type { TestDatabase } from '@hub/testkit';
import { Pool } from 'pg';
import { createIngest } from '../src/link/ingest.ts';
import { createKeyColumns } from '../src/link/key-columns.ts';
import { createLinkMetrics } from '../src/link/metrics.ts';
import { createVault } from '../src/vault.ts';

/** A request as a test thinks of it. */
export interface UsedRequest {
  /** Epoch ms. */
  readonly at: number;
  readonly userId: number;
  readonly keyId: number;
  readonly providerId?: number;
  readonly model?: string;
  readonly originalModel?: string;
  readonly endpoint?: string;
  readonly status?: number;
  /** USD. */
  readonly cost?: string | undefined;
  readonly tokens?: number;
  readonly durationMs?: number;
  readonly ttfbMs?: number;
  readonly error?: string;
  readonly blockedBy?: string;
  readonly userAgent?: string;
  readonly sessionId?: string;
}

/** Puts requests into the log: as the data planes report them, with rollups, or as v0.3.42 wrote them, without. */
export interface UsageWorld {
  readonly pool: Pool;
  report(requests: readonly UsedRequest[]): Promise<void>;
  /** @param keyText what v0.3.42 knew the key by */
  writeOld(request: UsedRequest, keyText: string): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

export function usageWorld(database: TestDatabase): UsageWorld {
  const pool = new Pool({ connectionString: database.url, max: 3 });
  const keyColumns = createKeyColumns(pool, createVault('sealed', 'a master key for tests'), silentLogger);
  const ingest = createIngest({ pool, keyColumns, metrics: createLinkMetrics(new Registry()), log: silentLogger });
  return {
    pool,
    async report(requests) {
      const refused = await ingest(requests.map(recordOf));
      if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`);
    },
    async writeOld(request, keyText) {
      const tokens = request.tokens ?? 10;
      await pool.query(
        `INSERT INTO message_request (created_at, user_id, key, provider_id, model, original_model, endpoint, status_code, cost_usd, duration_ms, error_message, blocked_by,
           input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens, session_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $13, $13, $14)`,
        [new Date(request.at), request.userId, keyText, request.providerId ?? 1, request.model ?? 'm', request.originalModel ?? request.model ?? 'm', request.endpoint ?? '/v1/messages', request.status ?? 200, request.cost ?? null, request.durationMs ?? 5, request.error ?? null, request.blockedBy ?? null, tokens, request.sessionId ?? null],
      );
    },
    async clear() {
      await pool.query('DELETE FROM message_request');
      await pool.query('DELETE FROM hub_usage_rollup');
    },
    close: () => pool.end(),
  };
}

function recordOf(request: UsedRequest) {
  const tokens = BigInt(request.tokens ?? 10);
  return create(UsageRecordSchema, {
    id: recordId(request.at),
    startedAtMs: BigInt(request.at),
    userId: request.userId,
    keyId: request.keyId,
    providerId: request.providerId ?? 1,
    model: request.model ?? 'm',
    originalModel: request.originalModel ?? request.model ?? 'm',
    endpoint: request.endpoint ?? '/v1/messages',
    statusCode: request.status ?? 200,
    durationMs: request.durationMs ?? 5,
    ...(request.ttfbMs !== undefined && { ttfbMs: request.ttfbMs }),
    costMultiplier: '1',
    ...(request.cost !== undefined && { costUsd: request.cost }),
    errorMessage: request.error ?? '',
    blockedBy: request.blockedBy ?? '',
    userAgent: request.userAgent ?? '',
    sessionId: request.sessionId ?? '',
    usage: { input: tokens, output: tokens, cacheWrite5m: tokens, cacheRead: tokens },
  });
}
