import { type Logger as PinoLogger, pino } from 'pino';

export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'level'> & {
  child(bindings: Record<string, unknown>): Logger;
};

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

/**
 * One JSON line per event on standard output. What is logged is named field by field at the call; as a second line of
 * defence anything that looks like a credential is masked, whatever it was called.
 */
export function createLogger(name: string, level: string): Logger {
  return pino({
    name,
    level,
    base: { name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: {
      streamWrite: maskSecrets,
    },
  });
}

// Hub keys and most providers' keys begin "sk-", Google's "AIza" or "ya29.".
const secretPattern = /\b(?:Bearer\s+|sk-|AIza|ya29\.)[A-Za-z0-9_\-.]{8,}/g;

/** Replaces what looks like a key or token by its first four characters and a mark. */
export function maskSecrets(line: string): string {
  return line.replace(secretPattern, (secret) => `${secret.slice(0, 4)}…[masked]`);
}

/** For tests and embedded use. */
export const silentLogger: Logger = pino({ level: 'silent' });
