import type { Logger } from './log.ts';

/**
 * What a plane tells whoever launched it, over the IPC channel if there is one: the same words for the standalone
 * launcher, the tests and, as a log line, an operator.
 */
export type Announcement =
  | { readonly type: 'ready'; readonly plane: string; readonly ports: Readonly<Record<string, number>> }
  | { readonly type: 'failed'; readonly plane: string; readonly message: string };

export function announceReady(log: Logger, plane: string, ports: Readonly<Record<string, number>>): void {
  log.info({ ports }, `${plane} ready`);
  process.send?.({ type: 'ready', plane, ports } satisfies Announcement);
}

/** One clear line on standard error, then exit code 1. */
export function failStart(plane: string, error: unknown): never {
  const message = explainStartError(error);
  process.stderr.write(`${plane}: ${message}\n`);
  process.send?.({ type: 'failed', plane, message } satisfies Announcement);
  process.exit(1);
}

/** Says of the usual start errors what to do about them. */
export function explainStartError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') return `port ${port ?? '?'} on ${address ?? '?'} is already in use: stop what uses it or choose another port`;
  if (code === 'EACCES' && port !== undefined) return `not allowed to listen on port ${port}: choose a port above 1023`;
  return error.message;
}
