import type { Logger } from './log.ts';

/** Something that was opened and has to be closed, in the opposite order of opening. */
type Closer = { readonly name: string; readonly close: () => Promise<void> | void };

/**
 * A process's life: what was opened is closed last in, first out, once, under a deadline, on SIGTERM, SIGINT or when the
 * parent that launched us is gone.
 */
export interface Lifecycle {
  onClose(name: string, close: () => Promise<void> | void): void;
  /** Work that nobody awaits but that the end of the process must. Its failure is logged. */
  background(name: string, work: Promise<unknown>): void;
  /** True from the first signal on: readiness answers 503. */
  readonly stopping: boolean;
  /** Closes everything; further calls wait for the same end. */
  stop(reason: string): Promise<void>;
}

export interface LifecycleOptions {
  readonly log: Logger;
  /** How long the closers may take together, ms. */
  readonly deadlineMs: number;
}

export function createLifecycle({ log, deadlineMs }: LifecycleOptions): Lifecycle {
  const closers: Closer[] = [];
  const running = new Set<Promise<unknown>>();
  let ending: Promise<void> | undefined;

  const closeAll = async (): Promise<void> => {
    for (const closer of closers.reverse()) {
      try {
        await closer.close();
      } catch (error) {
        log.error({ err: error, closer: closer.name }, 'could not close cleanly');
      }
    }
    await Promise.allSettled(running);
  };

  return {
    get stopping() {
      return ending !== undefined;
    },
    onClose(name, close) {
      closers.push({ name, close });
    },
    background(name, work) {
      const tracked = work.catch((error: unknown) => log.error({ err: error, work: name }, 'background work failed'));
      running.add(tracked);
      void tracked.finally(() => running.delete(tracked));
    },
    stop(reason) {
      ending ??= (async () => {
        log.info({ reason }, 'stopping');
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<'late'>((resolve) => {
          timer = setTimeout(() => resolve('late'), deadlineMs);
        });
        const result = await Promise.race([closeAll(), late]);
        clearTimeout(timer);
        if (result === 'late') log.error({ deadlineMs }, 'did not close in time');
      })();
      return ending;
    },
  };
}

/**
 * Ends the process on SIGTERM, SIGINT, or when the IPC channel to a launcher breaks (the launcher was killed), after
 * `lifecycle.stop`. A second signal ends it at once.
 */
export function stopOnSignals(lifecycle: Lifecycle, exit: (code: number) => never = process.exit): void {
  const stop = (reason: string) => {
    if (lifecycle.stopping && reason !== 'launcher gone') exit(1);
    void lifecycle.stop(reason).then(() => exit(0));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.channel) process.on('disconnect', () => stop('launcher gone'));
}
