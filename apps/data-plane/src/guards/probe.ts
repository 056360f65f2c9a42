import { conversationOf } from '../request/proxy-request.ts';
import { isRecord } from '../request/json.ts';
import type { Guard } from './guard.ts';

/** Old clients ask "foo" or "count" to see whether somebody is there: answered here, for nothing (contract C2.6). */
export const probe: Guard = {
  name: 'probe',
  onCountTokens: true,
  check({ request }) {
    const conversation = conversationOf(request.body);
    if (conversation?.length !== 1) return undefined;
    const [message] = conversation;
    const content = isRecord(message) ? message['content'] : undefined;
    if (typeof content !== 'string' || content.length > 40) return undefined;
    const word = content.trim().toLowerCase();
    if (word !== 'foo' && word !== 'count') return undefined;
    return { status: 200, body: { input_tokens: 0 } };
  },
};
