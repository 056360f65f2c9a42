import type { Snapshot } from '@hub/contract';
import type { Dialect } from '@hub/protocol';
import { answerFault, answerJson, answerPreflight } from './answer.ts';
import { authenticate, type Caller } from './authenticate.ts';
import { type Exchange, header } from './exchange.ts';
import { HubFault, toFault } from './faults.ts';
import type { Gateway } from './gateway.ts';
import { answerModels } from './model-list.ts';
import { readRequest } from './request/proxy-request.ts';
import { dialectOf, type Route, routeOf } from './routes.ts';
import { serve } from './serve.ts';

/** The request, top to bottom: from the client's socket to the answer, whatever happens. Never throws. */
export async function handle(exchange: Exchange, gateway: Gateway): Promise<void> {
  const route = routeOf(exchange.method, exchange.path);
  try {
    await dispatch(exchange, route, gateway);
  } catch (error) {
    const fault = toFault(error);
    if (fault.fault === 'internal_error') gateway.log.error({ err: error, path: exchange.path }, 'unexpected error');
    gateway.metrics.requests.inc({ format: formatLabel(route), outcome: fault.fault, status: String(fault.status) });
    answerFault(exchange, fault, dialectFor(route, exchange));
  }
}

async function dispatch(exchange: Exchange, route: Route, gateway: Gateway): Promise<void> {
  if (route.kind === 'preflight') return answerPreflight(exchange);
  if (route.kind === 'unknown') {
    throw new HubFault('not_found', `There is nothing at ${exchange.path}. Requests go to /v1/messages, /v1/chat/completions, /v1/responses or /v1beta/models/…`);
  }
  const snapshot = gateway.config.snapshot;
  if (snapshot === undefined) {
    throw new HubFault('not_ready', 'The hub is starting and has no configuration yet. Please try again in a moment.', { headers: { 'retry-after': '1' } });
  }
  const caller = await authenticated(exchange, route, snapshot, gateway);
  if (route.kind === 'models') return answerModels(exchange, route, { caller, snapshot, gateway });
  const request = await readRequest(exchange, route, { limit: snapshot.settings.maxRequestBodyBytes, stranger: false });
  const admitted = { request, caller, snapshot };
  for (const guard of gateway.guards) {
    if (request.operation === 'count_tokens' && !guard.onCountTokens) continue;
    const answer = guard.check(admitted, gateway.randomHex);
    if (answer === undefined) continue;
    if (answer.recordAs !== undefined) await gateway.recordLocal(admitted, answer);
    return answerJson(exchange, answer.status, answer.body, answer.headers);
  }
  await serve(exchange, admitted, gateway);
}

/**
 * Before anything of the body is read, except on the two chat paths: v0.3.42 tells even a stranger that a body has the
 * wrong shape, and clients know it so (contract C1.3).
 */
async function authenticated(exchange: Exchange, route: Route, snapshot: Snapshot, gateway: Gateway): Promise<Caller> {
  const now = gateway.clock.now();
  const source = sourceOf(exchange);
  gateway.lockout.check(source, now);
  try {
    return authenticate(exchange, snapshot, now, { mayDiffer: route.kind === 'models' });
  } catch (error) {
    const fault = error instanceof HubFault ? error.fault : undefined;
    if (fault === 'unknown_api_key') gateway.lockout.failed(source, now);
    if (fault === 'user_expired') gateway.reportExpired(exchange, snapshot);
    if (route.kind === 'proxy' && route.chat) await readRequest(exchange, route, { limit: strangerBodyBytes, stranger: true });
    throw error;
  }
}

/**
 * Who is shut out for guessing keys: the peer, and behind a proxy the address that the proxy saw, which its client cannot
 * forge. So nobody shuts out others who come through the same proxy.
 */
function sourceOf(exchange: Exchange): string {
  const forwarded = header(exchange.headers, 'x-forwarded-for');
  return forwarded === undefined ? exchange.remoteAddress : `${exchange.remoteAddress} ${forwarded.slice(forwarded.lastIndexOf(',') + 1).trim()}`;
}

/** How much a stranger may send us to be told that it is wrong. */
const strangerBodyBytes = 1024 * 1024;

/** Whose error format an answer has when the request could not be read. */
function dialectFor(route: Route, exchange: Exchange): Dialect {
  if (route.kind === 'proxy' && route.format !== undefined) return dialectOf[route.format];
  const path = exchange.path.toLowerCase();
  if (path.startsWith('/v1/responses')) return 'openai-responses';
  if (path.startsWith('/v1beta') || path.startsWith('/v1internal') || exchange.headers['x-goog-api-key'] !== undefined) return 'gemini';
  return exchange.headers['anthropic-version'] === undefined ? 'openai-chat' : 'anthropic';
}

function formatLabel(route: Route): string {
  return route.kind === 'proxy' ? (route.format ?? (route.chat ? 'openai' : 'other')) : route.kind;
}
