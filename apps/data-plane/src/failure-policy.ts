import type { ErrorRule } from '@hub/contract';
import type { Operation } from './routes.ts';
import type { Failure } from './upstream/reply.ts';

/** What a failed attempt means and what to do next (contract C5.5). Pure. */

export type Category =
  | 'client_abort'
  /** An error rule says that the request is at fault: nobody else is asked. */
  | 'client_error'
  /** 400, 413, 422: the request is at fault unless another provider takes it. */
  | 'caller_error'
  | 'not_found'
  | 'provider_error'
  | 'network_error';

export interface Verdict {
  readonly category: Category;
  readonly rule: ErrorRule | undefined;
  /** Another attempt at the same provider, if it has some left. */
  readonly retrySame: boolean;
  readonly tryNext: boolean;
  /** Counts for the provider's breaker once this provider is given up. */
  readonly countsForBreaker: boolean;
}

export interface PolicyOptions {
  readonly operation: Operation;
  readonly breakerCountsNetworkErrors: boolean;
  readonly matchRule: (text: string) => ErrorRule | undefined;
}

export function judge(failure: Failure, options: PolicyOptions): Verdict {
  const rule = failure.kind === 'status' || failure.kind === 'error_inside' ? options.matchRule(failure.body || failure.error.message) : undefined;
  const category = categorise(failure, rule);
  const verdict = table[category];
  if (options.operation === 'count_tokens') {
    // A count is cheap and urgent: a provider that refuses it is not asked twice, and the client gets its status. Many
    // relays cannot count and answer well all the same, so it never speaks against a provider.
    const refused = category === 'provider_error' && failure.kind === 'status';
    return { ...verdict, category, rule, ...(refused && { retrySame: false, tryNext: false }), countsForBreaker: false };
  }
  const countsForBreaker = category === 'network_error' ? options.breakerCountsNetworkErrors : verdict.countsForBreaker;
  return { ...verdict, category, rule, countsForBreaker };
}

const table: Readonly<Record<Category, Pick<Verdict, 'retrySame' | 'tryNext' | 'countsForBreaker'>>> = {
  client_abort: { retrySame: false, tryNext: false, countsForBreaker: false },
  client_error: { retrySame: false, tryNext: false, countsForBreaker: false },
  caller_error: { retrySame: false, tryNext: true, countsForBreaker: false },
  not_found: { retrySame: true, tryNext: true, countsForBreaker: false },
  provider_error: { retrySame: true, tryNext: true, countsForBreaker: true },
  network_error: { retrySame: true, tryNext: true, countsForBreaker: false },
};

function categorise(failure: Failure, rule: ErrorRule | undefined): Category {
  if (failure.kind === 'client_gone') return 'client_abort';
  if (rule !== undefined) return 'client_error';
  if (failure.kind === 'network') return 'network_error';
  if (failure.status === 404) return 'not_found';
  if (failure.status === 400 || failure.status === 413 || failure.status === 422) return 'caller_error';
  return 'provider_error';
}

/** provider_chain[].reason of a failed attempt. */
export function chainReason(category: Category): string {
  switch (category) {
    case 'client_error':
      return 'client_error_non_retryable';
    case 'not_found':
      return 'resource_not_found';
    case 'network_error':
      return 'system_error';
    case 'client_abort':
    case 'caller_error':
    case 'provider_error':
      return 'retry_failed';
  }
}
