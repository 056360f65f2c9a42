import { SettingsError, systemClock } from '@hub/service';
import { readLauncherEnv } from './env.ts';
import { createHub } from './launcher.ts';
import { createTerminal, messageOf, StartError } from './terminal.ts';

/**
 * A terminal's Ctrl-C reaches us twice when npm stands between, since npm passes it on as well. Only a person's second
 * one, later than this, means "now".
 */
const sameSignalMs = 1_000;

const terminal = createTerminal();

function main(): void {
  const env = readLauncherEnv();
  let exitCode = 0;
  let stoppedAt: number | undefined;

  const stop = (reason: string) => {
    const now = systemClock.now();
    if (stoppedAt === undefined) {
      stoppedAt = now;
      terminal.note(reason);
      void hub.lifecycle.stop(reason).then(() => process.exit(exitCode));
    } else if (now - stoppedAt > sameSignalMs) {
      hub.killAll();
      process.exit(1);
    }
  };
  const fail = (reason: string | undefined) => {
    exitCode = 1;
    if (reason !== undefined) terminal.note(reason);
    void hub.lifecycle.stop('failed').then(() => process.exit(exitCode));
  };

  const hub = createHub(env, terminal, (reason) => {
    if (stoppedAt === undefined) fail(reason);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop('stopping'));
  hub.start().catch((error: unknown) => {
    // Whoever stops a hub that is starting knows why it did not start.
    if (stoppedAt !== undefined) return;
    fail(error instanceof StartError && error.alreadySaid ? undefined : messageOf(error));
  });
}

try {
  main();
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  for (const problem of error.problems) terminal.note(problem);
  process.exit(1);
}
