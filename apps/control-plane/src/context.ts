import type { Clock, Logger } from '@hub/service';
import type { Pool } from 'pg';
import type { Caller } from './authenticate.ts';
import type { PrismaClient } from './generated/prisma/client.ts';
import type { LiveState } from './live-state.ts';
import type { Language } from './texts.ts';
import type { Vault } from './vault.ts';

/** What operations work with; made once per process. */
export interface Services {
  readonly database: { readonly prisma: PrismaClient; readonly pool: Pool };
  readonly vault: Vault;
  readonly live: LiveState;
  readonly clock: Clock;
  /** IANA name; days, weeks and months begin by its clock. */
  readonly timeZone: string;
  /** Whether providers may lie on private and local addresses. */
  readonly allowPrivateUpstreams: boolean;
  readonly log: Logger;
}

/** One call of one operation. */
export interface CallContext extends Services {
  /** `module/action`. */
  readonly action: string;
  readonly caller: Caller;
  readonly language: Language;
  readonly requestIp: string | undefined;
}
