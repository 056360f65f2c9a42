import { hashKey, secretsEqual } from '@hub/service';
import type { Services } from './context.ts';
import type { Key, User } from './generated/prisma/client.ts';

/** Who calls, once the credential has been found good. */
export interface Caller {
  /** Id -1 is whoever holds ADMIN_TOKEN. */
  readonly user: { readonly id: number; readonly name: string; readonly description: string; readonly role: 'admin' | 'user' };
  readonly key: { readonly id: number; readonly name: string; readonly canLoginWebUi: boolean };
}

export function isAdmin(caller: Caller): boolean {
  return caller.user.role === 'admin';
}

const adminCaller: Caller = {
  user: { id: -1, name: 'Admin Token', description: 'ADMIN_TOKEN', role: 'admin' },
  key: { id: -1, name: 'ADMIN_TOKEN', canLoginWebUi: true },
};

export interface Credential {
  readonly adminToken: string | undefined;
  readonly token: string;
  /** Whether a key that may not use the management interface is good enough here. */
  readonly readonlyAllowed: boolean;
}

/**
 * ADMIN_TOKEN, or a key that lives, is enabled and has not expired and whose user lives. That the user is disabled or has
 * expired does not matter here (as in v0.3.42), only on the data plane.
 */
export async function authenticate(services: Services, credential: Credential): Promise<Caller | undefined> {
  const { adminToken, token, readonlyAllowed } = credential;
  if (token === '') return undefined;
  if (adminToken !== undefined && secretsEqual(adminToken, token)) return adminCaller;
  const key = await findKey(services, token);
  if (key === undefined) return undefined;
  if (key.canLoginWebUi !== true && !readonlyAllowed) return undefined;
  const user = await services.database.prisma.user.findFirst({ where: { id: key.userId, deletedAt: null } });
  return user === null ? undefined : callerOf(user, key);
}

async function findKey({ database: { prisma }, vault, clock }: Services, token: string): Promise<Key | undefined> {
  const now = new Date(clock.now());
  const usable = { deletedAt: null, isEnabled: true, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] };
  const hashed = await prisma.key.findFirst({ where: { ...usable, keyHash: Uint8Array.from(hashKey(token)) } });
  if (hashed !== null || vault.mode === 'sealed') return hashed ?? undefined;
  // v0.3.42 may have written it a moment ago to the database that both use; its hash is filled in within a second.
  const unhashed = await prisma.key.findFirst({ where: { ...usable, keyHash: null, key: token } });
  return unhashed ?? undefined;
}

function callerOf(user: User, key: Key): Caller {
  return {
    user: { id: user.id, name: user.name, description: user.description ?? '', role: user.role === 'admin' ? 'admin' : 'user' },
    key: { id: key.id, name: key.name, canLoginWebUi: key.canLoginWebUi === true },
  };
}
