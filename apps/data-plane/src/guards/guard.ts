import type { Snapshot } from '@hub/contract';
import type { Caller } from '../authenticate.ts';
import type { JsonObject } from '../request/json.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';

/** What a guard may look at. Nothing of it can be changed. */
export interface Admitted {
  readonly request: ProxyRequest;
  readonly caller: Caller;
  readonly snapshot: Snapshot;
}

/** An answer that the hub gives itself, without an upstream. */
export interface LocalAnswer {
  readonly status: number;
  readonly body: JsonObject;
  readonly headers?: Record<string, string>;
  /** Set if the answer is recorded as a row: message_request.blocked_by. */
  readonly recordAs?: { readonly blockedBy: string; readonly reason: JsonObject; readonly error?: string };
}

/**
 * One rule of the house. It may refuse (throw a HubFault), answer by itself, or let pass (undefined). It is synchronous:
 * what it needs stands in the snapshot.
 */
export interface Guard {
  readonly name: string;
  /** Whether it also looks at count_tokens requests. */
  readonly onCountTokens: boolean;
  check(admitted: Admitted, random: () => string): LocalAnswer | undefined;
}
