/** The hub's database: the server that comes with it, its migrations, and databases for tests. */
export { baseline } from './baseline.ts';
export { missingFrom, readCatalogue } from './catalogue.ts';
export { type EmbeddedOptions, startEmbedded } from './embedded.ts';
export type { RunningEngine } from './engine.ts';
export {
  AdoptionNeededError,
  BaselineMismatchError,
  DatabaseNewerError,
  EmbeddedDatabaseError,
  EngineUnavailableError,
  MigrationError,
} from './errors.ts';
export { loadDump } from './load-dump.ts';
export type { Log } from './log.ts';
export { type MigrateOptions, migrate } from './migrate.ts';
export { type TestDatabase, templateDatabase } from './template-database.ts';
