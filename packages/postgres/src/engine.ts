import type { Log } from './log.ts';

/** A database that is up. */
export interface RunningEngine {
  engine: 'postgres' | 'pglite';
  /** A `postgresql://` URL that `pg` and Prisma's adapter understand; a socket's folder is given as `?host=`. */
  url: string;
  /** Ends it in an orderly way. Calling it again gives the same promise. */
  stop(): Promise<void>;
  /** Settles when it has ended: null after stop(), else why. Never rejects. */
  ended: Promise<string | null>;
}

/** What an engine is started with. */
export interface EngineOptions {
  /** Absolute path; exists and is writable. */
  dataDir: string;
  runDirectory: string;
  /** TCP port on 127.0.0.1, reached with the password in the URL; null for the Unix socket alone. */
  port: number | null;
  /** Whether commits wait for the disk. */
  durable: boolean;
  log: Log;
}
