import type { JsonObject } from './request/json.ts';

/**
 * Everything that the hub itself answers with an error: one row per code. `type` is what stands in error.type; `code` in
 * error.code, if it differs from the row's name. Statuses, types and codes are v0.3.42's where it has them.
 */
const rows = {
  // caller: the request
  invalid_json: { status: 400, type: 'invalid_request_error' },
  missing_required_fields: { status: 400, type: 'invalid_request_error' },
  model_missing: { status: 400, type: 'invalid_request_error', code: 'invalid_request_error' },
  client_not_allowed: { status: 400, type: 'invalid_request_error', code: 'invalid_request_error' },
  model_not_allowed: { status: 400, type: 'invalid_request_error', code: 'invalid_request_error' },
  sensitive_word: { status: 400, type: 'invalid_request_error', code: 'invalid_request_error' },
  client_upgrade_required: { status: 400, type: 'client_upgrade_required' },
  conversion_error: { status: 400, type: 'invalid_request_error' },
  not_found: { status: 404, type: 'not_found_error' },
  // caller: the credential
  authentication_error: { status: 401, type: 'authentication_error' },
  invalid_api_key: { status: 401, type: 'invalid_api_key' },
  /** The client is told the same; only this one can be a guess. */
  unknown_api_key: { status: 401, type: 'invalid_api_key' },
  user_disabled: { status: 401, type: 'user_disabled' },
  user_expired: { status: 401, type: 'user_expired' },
  too_many_failed_logins: { status: 429, type: 'rate_limit_error' },
  // caller: budgets
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  budget_exceeded: { status: 402, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  // providers
  no_available_providers: { status: 503, type: 'no_available_providers' },
  all_providers_failed: { status: 503, type: 'all_providers_failed' },
  providers_rate_limited: { status: 503, type: 'rate_limit_exceeded' },
  circuit_breaker_open: { status: 503, type: 'circuit_breaker_open' },
  mixed_unavailable: { status: 503, type: 'mixed_unavailable' },
  service_unavailable: { status: 503, type: 'service_unavailable_error' },
  upstream_error: { status: 502, type: 'api_error' },
  // gateway
  not_ready: { status: 503, type: 'service_unavailable_error', code: 'not_ready' },
  internal_error: { status: 500, type: 'internal_server_error' },
} as const satisfies Record<string, { status: number; type: string; code?: string }>;

export type FaultName = keyof typeof rows;

export interface FaultDetail {
  /** Replaces the row's status, for what an upstream decided. */
  readonly status?: number;
  readonly type?: string;
  readonly code?: string;
  /** error.details */
  readonly details?: JsonObject;
  /** Further fields of error itself. */
  readonly fields?: JsonObject;
  readonly headers?: Record<string, string>;
  readonly requestId?: string;
  /** The whole body, given by an error rule. */
  readonly body?: JsonObject;
}

/** An answer of the hub that is an error. Thrown anywhere before the answer has begun; turned into bytes in one place. */
export class HubFault extends Error {
  override readonly name = 'HubFault';
  readonly fault: FaultName;
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly detail: FaultDetail;
  constructor(fault: FaultName, message: string, detail: FaultDetail = {}) {
    super(message);
    const row: { status: number; type: string; code?: string } = rows[fault];
    this.fault = fault;
    this.status = detail.status ?? row.status;
    this.type = detail.type ?? row.type;
    this.code = detail.code ?? detail.type ?? row.code ?? (row.type === 'invalid_request_error' ? fault : row.type);
    this.detail = detail;
  }
}

/** Turns whatever was thrown into an answer. What we did not foresee is our fault and says nothing of its inside. */
export function toFault(error: unknown): HubFault {
  if (error instanceof HubFault) return error;
  if (error instanceof Error && error.name === 'BodyProblem' && 'status' in error && 'code' in error) {
    return new HubFault('invalid_json', error.message, {
      status: Number(error.status),
      type: error.status === 413 ? 'request_too_large' : 'invalid_request_error',
      code: String(error.code),
    });
  }
  return new HubFault('internal_error', 'The hub met an unexpected error. It has been logged.');
}
