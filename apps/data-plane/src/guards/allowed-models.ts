import { HubFault } from '../faults.ts';
import type { Guard } from './guard.ts';

/** users.allowed_models: the requested model must be in the list, case aside. */
export const allowedModels: Guard = {
  name: 'allowed-models',
  onCountTokens: true,
  check({ caller: { user }, request }) {
    if (user.allowedModels.size === 0) return undefined;
    if (request.model === undefined) {
      throw new HubFault('model_not_allowed', 'Model not allowed. This user may only use certain models, so the request must name one.');
    }
    if (user.allowedModels.has(request.model.toLowerCase())) return undefined;
    throw new HubFault('model_not_allowed', `Model not allowed. '${request.model}' is not in the list of models that this user may use.`);
  },
};
