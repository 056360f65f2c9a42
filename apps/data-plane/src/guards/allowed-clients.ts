import { HubFault } from '../faults.ts';
import type { Guard } from './guard.ts';

/** users.allowed_clients: the user agent must contain one of the patterns, case, "-" and "_" aside. */
export const allowedClients: Guard = {
  name: 'allowed-clients',
  onCountTokens: true,
  check({ caller: { user }, request }) {
    if (user.allowedClients.length === 0) return undefined;
    if (!request.userAgent?.trim()) {
      throw new HubFault('client_not_allowed', 'Client not allowed. This user may only use certain clients, so a User-Agent header is required.');
    }
    const agent = normalise(request.userAgent);
    const allowed = user.allowedClients.some((pattern) => {
      const wanted = normalise(pattern);
      return wanted !== '' && agent.includes(wanted);
    });
    if (allowed) return undefined;
    throw new HubFault('client_not_allowed', 'Client not allowed. This client is not in the list of clients that this user may use.');
  },
};

function normalise(text: string): string {
  return text.toLowerCase().replace(/[-_]/g, '');
}
