/** The embedded database can't be started; the message is one line meant for the person at the terminal. */
export class EmbeddedDatabaseError extends Error {
  override readonly name = 'EmbeddedDatabaseError';
}

/**
 * Real PostgreSQL can't run here at all (no binaries for this platform, no account to run as, folder out of reach).
 * Only thrown while no PostgreSQL data exists yet, so that falling back to PGlite never hides somebody's data.
 */
export class EngineUnavailableError extends EmbeddedDatabaseError {}

/** A migration was edited after it was applied, failed half-way, or does not apply. */
export class MigrationError extends Error {
  override readonly name: string = 'MigrationError';
}

/** The database holds migrations that this build does not have: it was migrated by a newer version. */
export class DatabaseNewerError extends MigrationError {
  override readonly name = 'DatabaseNewerError';
  readonly unknownMigrations: readonly string[];

  constructor(unknownMigrations: readonly string[]) {
    super(
      `the database was migrated by a newer version of the hub (it has ${unknownMigrations.join(', ')}); ` +
        'start that version, or restore a backup from before the upgrade',
    );
    this.unknownMigrations = unknownMigrations;
  }
}

/** The database holds the predecessor's tables and has never been touched by us. */
export class AdoptionNeededError extends MigrationError {
  override readonly name = 'AdoptionNeededError';

  constructor() {
    super(
      'the database already holds tables of Claude Code Hub v0.3.42; make a backup, then take it over with `hub adopt` ' +
        '(or point DATABASE_URL at an empty database)',
    );
  }
}

/** A database that should be recorded as having a migration lacks parts of it. */
export class BaselineMismatchError extends MigrationError {
  override readonly name = 'BaselineMismatchError';
  /** One line for each table, column, index, constraint or enum that is missing or different. */
  readonly missing: readonly string[];

  constructor(migration: string, missing: readonly string[]) {
    const shown = missing.slice(0, 5).join('; ');
    const more = missing.length > 5 ? `; and ${missing.length - 5} more` : '';
    super(`the database does not match ${migration}: missing or different are ${shown}${more}`);
    this.missing = missing;
  }
}

/** The first line of whatever was thrown. */
export function firstLine(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return message.split('\n', 1)[0] ?? '';
}
