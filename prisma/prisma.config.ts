import { fileURLToPath } from 'node:url';
import { defineConfig } from 'prisma/config';

// Prisma's command line wants a native engine that is not on npm; ours is the WebAssembly one, which is. The other two
// keep it from asking the network for updates.
process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= fileURLToPath(new URL('../infra/tools/schema-engine.mjs', import.meta.url));
process.env['CHECKPOINT_DISABLE'] ??= '1';
process.env['PRISMA_HIDE_UPDATE_MESSAGE'] ??= '1';

/**
 * For `prisma generate` and for writing migrations, for instance, with a PostgreSQL at DATABASE_URL:
 * `prisma migrate dev --config prisma/prisma.config.ts --create-only --name add_something`.
 */
export default defineConfig({
  schema: fileURLToPath(new URL('schema.prisma', import.meta.url)),
  migrations: { path: fileURLToPath(new URL('migrations', import.meta.url)) },
  datasource: {
    url: process.env['DATABASE_URL'] ?? 'postgresql://postgres@127.0.0.1:5432/hub',
    ...(process.env['SHADOW_DATABASE_URL'] === undefined ? {} : { shadowDatabaseUrl: process.env['SHADOW_DATABASE_URL'] }),
  },
});
