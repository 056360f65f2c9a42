import type { NodeEvent } from '@hub/contract';
import type { Logger } from '@hub/service';
import type { Pool } from 'pg';

export interface BreakerOpenedEvent {
  readonly type: 'breaker-opened';
  readonly id: string;
  /** Epoch ms. */
  readonly at: number;
  readonly nodeId: string;
  readonly providerId: number;
  readonly providerName: string;
  readonly failureCount: number;
  /** Epoch ms. */
  readonly retryAt: number;
  readonly lastError: string;
}

export interface UserExpiredEvent {
  readonly type: 'user-expired';
  readonly id: string;
  /** Epoch ms. */
  readonly at: number;
  readonly nodeId: string;
  readonly userId: number;
}

export type LinkEvent = BreakerOpenedEvent | UserExpiredEvent;
export type LinkEventListener = (event: LinkEvent) => void;

export interface NodeEvents {
  /**
   * Does what an event asks for and tells the listeners. An event that was delivered before does nothing again.
   * @throws Error if the database could not take it now
   */
  take(nodeId: string, event: NodeEvent): Promise<void>;
  /** @returns the way to stop it */
  onEvent(listener: LinkEventListener): () => void;
}

/** Ids of delivered events that are remembered: events are repeated within seconds if at all. */
const remembered = 10_000;

export function createNodeEvents(pool: Pool, log: Logger): NodeEvents {
  const seen = new Set<string>();
  const listeners = new Set<LinkEventListener>();

  const emit = (event: LinkEvent): void => {
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        log.error({ err: error, event: event.type }, 'a listener failed');
      }
    }
  };

  return {
    async take(nodeId, message) {
      if (seen.has(message.id)) return;
      const event = toLinkEvent(nodeId, message);
      if (event?.type === 'user-expired' && (await disableExpired(pool, event.userId))) {
        log.info({ user: event.userId, node: nodeId }, 'an expired user was disabled');
      }
      if (message.id !== '') seen.add(message.id);
      if (seen.size > remembered) seen.delete(seen.values().next().value ?? '');
      if (event !== undefined) emit(event);
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** @returns undefined for an event that this version does not know */
function toLinkEvent(nodeId: string, { id, atMs, event }: NodeEvent): LinkEvent | undefined {
  const common = { id, at: Number(atMs), nodeId };
  switch (event.case) {
    case 'breakerOpened': {
      const { providerId, providerName, failureCount, retryAtMs, lastError } = event.value;
      return { type: 'breaker-opened', ...common, providerId, providerName, failureCount, retryAt: Number(retryAtMs), lastError };
    }
    case 'userExpired':
      return { type: 'user-expired', ...common, userId: event.value.userId };
    case undefined:
      return undefined;
  }
}

/**
 * v0.3.42 switches a user off at the first request after the expiry (contract C2.1). Only if the user is expired by the
 * database's own clock and row: the event may be old and the user renewed since.
 * @returns whether this call did it
 */
async function disableExpired(pool: Pool, userId: number): Promise<boolean> {
  const { rowCount } = await pool.query(
    `WITH disabled AS (
       UPDATE users SET is_enabled = false, updated_at = now()
       WHERE id = $1 AND is_enabled AND deleted_at IS NULL AND expires_at <= now()
       RETURNING id
     )
     INSERT INTO hub_audit_log (at, actor_kind, actor_name, action, entity, entity_id, before, after)
     SELECT now(), 'system', 'expiry', 'users.expire', 'user', id, '{"isEnabled": true}', '{"isEnabled": false}' FROM disabled`,
    [userId],
  );
  return rowCount === 1;
}
