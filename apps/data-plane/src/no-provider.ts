import type { Snapshot } from '@hub/contract';
import type { Refusal } from '@hub/limits';
import { type FaultName, HubFault } from './faults.ts';
import type { Plan } from './plan.ts';

/** Nobody could even be tried (contract C3.4). What stood in the way is only told if the setting allows it. */
export function noProviderFault(plan: Plan, snapshot: Snapshot, refusals: readonly Refusal[] = []): HubFault {
  if (!snapshot.settings.verboseProviderError) return new HubFault('no_available_providers', 'No available providers');
  const reasons = new Set(plan.filtered.map((entry) => entry.reason).filter((reason) => reason === 'circuit_open' || reason === 'rate_limited'));
  return new HubFault(refusals.length > 0 ? 'all_providers_failed' : faultOf(reasons), 'No available providers', {
    details: {
      totalAttempts: 1,
      excludedCount: refusals.length,
      filteredProviders: plan.filtered.map(({ id, reason }) => ({ id, reason })),
    },
  });
}

function faultOf(reasons: ReadonlySet<string>): FaultName {
  if (reasons.size > 1) return 'mixed_unavailable';
  if (reasons.has('circuit_open')) return 'circuit_breaker_open';
  return reasons.has('rate_limited') ? 'providers_rate_limited' : 'no_available_providers';
}
