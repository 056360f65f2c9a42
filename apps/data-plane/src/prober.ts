import type { Provider, Snapshot } from '@hub/contract';
import type { Breakers } from '@hub/limits';
import type { Clock, Logger } from '@hub/service';
import type { JsonAnswer } from './fetch-json.ts';

/**
 * ENABLE_SMART_PROBING: asks providers whose breaker is open whether they are well again, so that trials may begin before
 * their time is over. The question is their list of models, which costs nothing.
 */
export interface Prober {
  /** One round: every open breaker of the snapshot, a few at a time. */
  probeAll(): Promise<void>;
  close(): void;
}

export interface ProberOptions {
  readonly snapshot: () => Snapshot | undefined;
  readonly breakers: Breakers;
  readonly ask: (provider: Provider) => Promise<JsonAnswer>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
}

const atATime = 4;

export function startProber({ snapshot, breakers, ask, clock, log, intervalMs }: ProberOptions): Prober {
  const probe = async (provider: Provider): Promise<void> => {
    try {
      const { status } = await ask(provider);
      if (status < 200 || status > 299) return;
      await breakers.probed(provider.id, clock.now());
      log.info({ provider: provider.id }, 'a provider with an open breaker answers again; trials begin');
    } catch {
      // Still away: what the breaker says anyway.
    }
  };
  const probeAll = async (): Promise<void> => {
    const now = clock.now();
    const open = [...(snapshot()?.providers.values() ?? [])].filter(
      (provider) => provider.enabled && breakers.phase(provider.id, provider.breaker, now) === 'open',
    );
    for (let index = 0; index < open.length; index += atATime) await Promise.all(open.slice(index, index + atATime).map(probe));
  };
  const timer = setInterval(() => void probeAll(), intervalMs);
  timer.unref();
  return { probeAll, close: () => clearInterval(timer) };
}
