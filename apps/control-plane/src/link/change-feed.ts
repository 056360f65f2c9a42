import { backoff, type Logger } from '@hub/service';
import { Client } from 'pg';

export interface ChangeFeedOptions {
  readonly databaseUrl: string;
  readonly log: Logger;
  /** Something may have changed. */
  readonly onChange: () => void;
  /** The floor: `onChange` is called at least this often, whatever becomes of the notifications. ms. */
  readonly pollMs: number;
}

export interface ChangeFeed {
  close(): Promise<void>;
}

/** A notification announces a transaction; a script that commits a hundred of them in a row is looked at once. ms. */
const debounceMs = 5;

/**
 * Hears of changes by LISTEN on a connection of its own, which comes back by itself, and by a poll for as long as it does
 * not: a dead connection costs latency, never a change.
 */
export function startChangeFeed({ databaseUrl, log, onChange, pollMs }: ChangeFeedOptions): ChangeFeed {
  const retry = backoff(200, 5_000);
  let client: Client | undefined;
  let closed = false;
  let pending: NodeJS.Timeout | undefined;
  let reconnect: NodeJS.Timeout | undefined;

  const soon = (): void => {
    pending ??= setTimeout(() => {
      pending = undefined;
      onChange();
    }, debounceMs);
  };

  const lost = (lostClient: Client, error: unknown): void => {
    if (closed || client !== lostClient) return;
    client = undefined;
    lostClient.end().catch(() => undefined);
    const waitMs = retry.next();
    log.warn({ err: error, waitMs }, 'lost the connection for change notifications; polling until it is back');
    reconnect = setTimeout(connect, waitMs);
  };

  const connect = (): void => {
    const next = new Client({ connectionString: databaseUrl, keepAlive: true, application_name: 'hub change feed' });
    client = next;
    next.on('notification', soon);
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next, new Error('the server closed the connection')));
    next
      .connect()
      .then(() => next.query('LISTEN hub_config_change'))
      .then(() => {
        retry.reset();
        // What was committed while nobody listened.
        soon();
      })
      .catch((error: unknown) => lost(next, error));
  };

  const poll = setInterval(onChange, pollMs);
  connect();

  return {
    async close() {
      closed = true;
      clearInterval(poll);
      clearTimeout(pending);
      clearTimeout(reconnect);
      await client?.end().catch(() => undefined);
    },
  };
}
