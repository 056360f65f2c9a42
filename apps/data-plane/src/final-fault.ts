import { upstreamErrorText } from '@hub/protocol';
import type { Verdict } from './failure-policy.ts';
import { HubFault } from './faults.ts';
import { withoutSecrets } from './outcome.ts';
import type { Candidate } from './plan.ts';
import { isRecord, type JsonObject } from './request/json.ts';
import type { ProxyRequest } from './request/proxy-request.ts';
import type { Failure } from './upstream/reply.ts';

export interface LastFailure {
  readonly candidate: Candidate;
  readonly failure: Failure;
  readonly verdict: Verdict;
}

/** What the client is told when no attempt led to an answer (contract C5.6). */
export function finalFault(failures: readonly LastFailure[], request: ProxyRequest): HubFault {
  const last = failures.at(-1);
  if (last === undefined) return new HubFault('no_available_providers', 'No available providers');
  const { failure, verdict } = last;
  const message = withoutSecrets(upstreamErrorText(failure.error), last.candidate.provider);
  switch (verdict.category) {
    case 'client_abort':
      return new HubFault('upstream_error', 'The client closed the connection.', { status: 499, type: 'api_error', code: 'http_499' });
    case 'client_error':
      return ruledFault(last, message);
    default:
      break;
  }
  const everybodyBlamesTheRequest = failures.every((entry) => entry.verdict.category === 'caller_error');
  const passOn = everybodyBlamesTheRequest || (request.operation === 'count_tokens' && failure.kind === 'status' && failure.status !== 404);
  if (passOn) return new HubFault('upstream_error', message, { ...statusDetail(failure.status), requestId: failure.error.requestId });
  const retryAfter = failures.findLast(({ failure: { status, retryAfter: value } }) => value !== undefined && (status === 429 || status === 529));
  return new HubFault('service_unavailable', `No provider could serve this request. The last one said: ${message}`, {
    headers: retryAfter?.failure.retryAfter === undefined ? {} : { 'retry-after': retryAfter.failure.retryAfter },
  });
}

/** An error rule hit: the upstream's status and text, or what the rule puts in their place (contract F3). */
function ruledFault({ failure, verdict: { rule } }: LastFailure, message: string): HubFault {
  const status = rule?.overrideStatus ?? (failure.status >= 400 ? failure.status : 500);
  const override = rule?.overrideResponse;
  const detail = { ...statusDetail(status), requestId: failure.error.requestId };
  if (override === undefined) return new HubFault('upstream_error', message, detail);
  return new HubFault('upstream_error', message, { ...detail, body: withMessage(override, message) });
}

/** An override without a text of its own shows the real one. */
function withMessage(override: Readonly<JsonObject>, message: string): JsonObject {
  const error = override['error'];
  if (!isRecord(error)) return override;
  const text = error['message'];
  return typeof text === 'string' && text.trim() !== '' ? override : { ...override, error: { ...error, message } };
}

const typeByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'payment_required_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  500: 'internal_server_error',
  502: 'bad_gateway_error',
  503: 'service_unavailable_error',
  504: 'gateway_timeout_error',
};

function statusDetail(status: number): { status: number; type: string; code: string } {
  const type = typeByStatus[status];
  return type === undefined ? { status, type: 'api_error', code: `http_${status}` } : { status, type, code: type };
}
