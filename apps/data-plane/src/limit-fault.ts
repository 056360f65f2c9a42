import type { Refusal } from '@hub/limits';
import { nanosToUsd } from '@hub/pricing';
import type { Caller } from './authenticate.ts';
import { HubFault } from './faults.ts';

/** A limit that is reached, in v0.3.42's words (contract C4): status, body fields and headers are what clients read. */
export function limitFault(refusal: Refusal, caller: Caller): HubFault {
  const money = refusal.unit === 'nanos';
  const current = money ? shownMoney(refusal) : Number(refusal.current);
  const limit = money ? Number(nanosToUsd(refusal.limit)) : Number(refusal.limit);
  const resetTime = new Date(refusal.resetAt).toISOString();
  const retryAfter = Math.max(0, Math.ceil((refusal.resetAt - Date.now()) / 1000));
  return new HubFault(money ? 'budget_exceeded' : 'rate_limit_exceeded', messageOf(refusal, caller, { current, limit, resetTime }), {
    code: 'rate_limit_exceeded',
    type: 'rate_limit_error',
    fields: { limit_type: refusal.limitType, current, limit, reset_time: resetTime },
    headers: {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(Math.max(0, limit - current)),
      'x-ratelimit-reset': String(Math.floor(refusal.resetAt / 1000)),
      'x-ratelimit-type': refusal.limitType,
      'retry-after': String(retryAfter),
    },
  });
}

/** v0.3.42 rounds what a key spent in a window to 4 decimals and gives everything else as it is. */
function shownMoney({ current, subject, limitType }: Refusal): number {
  const usd = Number(nanosToUsd(current));
  return subject.kind === 'key' && limitType !== 'usd_total' ? Math.round(usd * 10_000) / 10_000 : usd;
}

const dimensions: Readonly<Record<Refusal['limitType'], string>> = {
  usd_total: 'total spending limit',
  concurrent_sessions: 'limit of concurrent sessions',
  rpm: 'limit of requests per minute',
  usd_5h: 'spending limit of 5 hours',
  daily_quota: 'daily spending limit',
  usd_weekly: 'weekly spending limit',
  usd_monthly: 'monthly spending limit',
};

function messageOf(refusal: Refusal, { key, user }: Caller, numbers: { current: number; limit: number; resetTime: string }): string {
  const whose = refusal.subject.kind === 'user' ? `user "${user.name}"` : `key "${key.name}"`;
  const shown = (value: number) => (refusal.unit === 'nanos' ? `$${value.toFixed(4)}` : String(value));
  const until = refusal.limitType === 'usd_total' ? '' : ` It resets at ${numbers.resetTime}.`;
  return `The ${dimensions[refusal.limitType]} of ${whose} is reached: ${shown(numbers.current)} of ${shown(numbers.limit)}.${until}`;
}
