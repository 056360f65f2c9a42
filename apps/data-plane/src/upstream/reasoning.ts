import { stripReasoning } from '@hub/protocol';
import { isRecord, type JsonObject } from '../request/json.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';
import type { Failure } from './reply.ts';

/** A conversation that has changed its provider carries reasoning that the new one did not sign and may refuse. */

const refusals = /signature|redacted_thinking|encrypted[ _]content/i;

/** Whether an upstream says that it does not accept the reasoning of earlier turns. */
export function refusesReasoning({ kind, status, body, error }: Failure): boolean {
  return kind === 'status' && status === 400 && refusals.test(body || error.message);
}

/** The request as if nothing had been thought before; undefined = that is how it is. */
export function withoutReasoning(request: ProxyRequest): ProxyRequest | undefined {
  if (request.body === undefined) return undefined;
  const stripped = stripReasoning(request.dialect, request.body, 'all');
  if (stripped === request.body) return undefined;
  const body = request.dialect === 'anthropic' && answersCall(stripped) ? withoutThinking(stripped) : stripped;
  return { ...request, body, bytes: Buffer.from(JSON.stringify(body)) };
}

/** Its last message brings the result of a call. */
function answersCall({ messages }: JsonObject): boolean {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  return isRecord(last) && Array.isArray(last['content']) && last['content'].some((block: unknown) => isRecord(block) && block['type'] === 'tool_result');
}

/** Anthropic wants a turn that goes on after a call to have begun with thinking wherever thinking is asked for. */
function withoutThinking({ thinking: _thinking, context_management: context, ...rest }: JsonObject): JsonObject {
  if (!isRecord(context) || !Array.isArray(context['edits'])) return context === undefined ? rest : { ...rest, context_management: context };
  const edits = context['edits'].filter((edit: unknown) => !isRecord(edit) || !String(edit['type']).startsWith('clear_thinking'));
  return edits.length === 0 ? rest : { ...rest, context_management: { ...context, edits } };
}
