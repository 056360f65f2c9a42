import type { Dialect } from '../../src/index.ts';
import type { PageContext } from '../golden-page.ts';
import { clientOddities } from './client-oddities.ts';
import { reasoningOddities } from './reasoning-oddities.ts';
import { upstreamOddities } from './upstream-oddities.ts';

/** A conversation that is odd in one way, for one pair. */
export interface Oddity {
  client: Dialect;
  upstream: Dialect;
  name: string;
  context?: Partial<PageContext>;
  request?: unknown;
  answer?: unknown;
  frames?: string;
}

export const oddities: readonly Oddity[] = [...clientOddities, ...reasoningOddities, ...upstreamOddities];
