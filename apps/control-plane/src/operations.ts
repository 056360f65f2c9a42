import type { Clock } from '@hub/service';
import type { Operation } from './operation.ts';
import { activeSessionOperations } from './resources/active-sessions.ts';
import { keyOperations } from './resources/keys.ts';
import { priceOperations } from './resources/model-prices.ts';
import { providerOperations } from './resources/providers.ts';
import { overviewOperations } from './resources/overview.ts';
import { statisticsOperations } from './resources/statistics.ts';
import { usageLogOperations } from './resources/usage-logs.ts';
import { userOperations } from './resources/users.ts';

/** Everything that the management API can do, in the order of the documentation. A new noun is a file and a line here. */
export function allOperations(clock: Clock): readonly Operation[] {
  return [...userOperations(clock), ...keyOperations(), ...providerOperations(), ...priceOperations(), ...statisticsOperations(), ...usageLogOperations(), ...overviewOperations(), ...activeSessionOperations()];
}
