import { allowedClients } from './allowed-clients.ts';
import { allowedModels } from './allowed-models.ts';
import { clientVersion } from './client-version.ts';
import type { Guard } from './guard.ts';
import { probe } from './probe.ts';
import { sensitiveWords } from './sensitive-words.ts';
import { warmup } from './warmup.ts';

/** The policy of the house, in the order in which it is asked (contract C2). */
export const guards: readonly Guard[] = [sensitiveWords, allowedClients, allowedModels, clientVersion, probe, warmup];
