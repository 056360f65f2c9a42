#!/usr/bin/env node
/**
 * Stand-in for the native `schema-engine` that Prisma's command line spawns and that is not on npm. It speaks the same
 * protocol (JSON-RPC, one message a line, over standard input and output) and lets the WebAssembly build of the same
 * engine, which is on npm, do the work over Prisma's PostgreSQL adapter. prisma.config.ts points the command line here.
 * Development only: nothing at run time needs it.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum, bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { Client, escapeIdentifier } from 'pg';

/** What the command line reads as "the engine returned an error, look into data". */
const engineErrorCode = 4466;

/** Object ids of PostgreSQL's types "char" and text. */
const charType = 18;
const textType = 25;

const options = parseArguments(process.argv.slice(2));
if (options.version) process.stdout.write('schema-engine-cli wasm\n');
else if (options.command !== null) await runCommand(options.command, options.url);
else await serve(options);

function parseArguments(args) {
  const parsed = { version: false, command: null, url: 'postgresql://unset@127.0.0.1:1/unset', shadowUrl: null, datamodels: [] };
  while (args.length > 0) {
    const argument = args.shift();
    if (argument === '--version') parsed.version = true;
    else if (argument === '--datamodels') {
      const file = args.shift();
      parsed.datamodels.push([file, readFileSync(file, 'utf8')]);
    } else if (argument === '--datasource') {
      const { url, shadowDatabaseUrl } = JSON.parse(args.shift());
      parsed.url = url ?? parsed.url;
      parsed.shadowUrl = shadowDatabaseUrl ?? null;
    } else if (argument === 'cli') parsed.command = args.shift();
    else if (argument.startsWith('--')) args.shift();
  }
  return parsed;
}

// --- one-shot commands: can-connect-to-database, create-database, drop-database

async function runCommand(command, url) {
  const { connectionString, database } = splitUrl(url);
  const name = escapeIdentifier(database);
  process.stderr.write('\n');
  try {
    if (command === 'can-connect-to-database') await withClient(connectionString, async () => undefined);
    if (command === 'create-database') await withClient(atDatabase(connectionString, 'postgres'), (client) => client.query(`CREATE DATABASE ${name}`));
    if (command === 'drop-database') {
      await withClient(atDatabase(connectionString, 'postgres'), (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
      log('INFO', { message: 'The database was successfully dropped.' });
    }
  } catch (error) {
    const code = prismaCode(error);
    const message = code === 'P1003' ? `Database \`${database}\` does not exist` : error.message;
    log('ERROR', { is_panic: false, error_code: code, message, meta: null });
    process.exitCode = 1;
  }
}

function prismaCode({ code }) {
  if (code === '3D000') return 'P1003';
  if (code === '28P01') return 'P1000';
  return /ECONN|ENOENT|ENOTFOUND|ETIMEDOUT/.test(code ?? '') ? 'P1001' : 'P1010';
}

async function withClient(connectionString, use) {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function log(level, fields) {
  process.stderr.write(`${JSON.stringify({ timestamp: new Date().toISOString(), level, fields, target: 'schema_engine::logger' })}\n`);
}

// --- URLs

/** Prisma's `?schema=` is not known to PostgreSQL's drivers. */
function splitUrl(url) {
  const parsed = new URL(url);
  const schema = parsed.searchParams.get('schema') ?? undefined;
  parsed.searchParams.delete('schema');
  return { connectionString: parsed.href, schema, database: decodeURIComponent(parsed.pathname.slice(1)) };
}

function atDatabase(connectionString, database) {
  const url = new URL(connectionString);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

// --- the adapter

function adapterFactory({ url, shadowUrl }) {
  const { connectionString, schema } = splitUrl(url);
  const main = new PrismaPg({ connectionString }, { schema });
  return {
    provider: main.provider,
    adapterName: main.adapterName,
    connect: async () => repair(await main.connect()),
    connectToShadowDb: async () => {
      if (shadowUrl !== null) return repair(await new PrismaPg({ connectionString: splitUrl(shadowUrl).connectionString }).connect());
      return temporaryDatabase(main, connectionString);
    },
  };
}

/** The adapter's own shadow database would be the main one, since its connection string wins over a database name. */
async function temporaryDatabase(main, connectionString) {
  const name = `prisma_migrate_shadow_db_${randomUUID()}`;
  const owner = await main.connect();
  await owner.executeScript(`CREATE DATABASE "${name}"`);
  const shadow = repair(await new PrismaPg({ connectionString: atDatabase(connectionString, name) }).connect());
  const dispose = shadow.dispose.bind(shadow);
  shadow.dispose = async () => {
    await dispose();
    await owner.executeScript(`DROP DATABASE "${name}"`);
    await owner.dispose();
  };
  return shadow;
}

/** Two things that @prisma/adapter-pg 7.10 gets wrong for the engine's own queries. */
function repair(adapter) {
  // It refuses the type "char", which the catalogues are full of.
  const charColumns = new WeakMap();
  const performIO = adapter.performIO.bind(adapter);
  adapter.performIO = async (query) => {
    const result = await performIO(query);
    const fields = (result.fields ?? []).map((field, index) => ({ field, index })).filter(({ field }) => field.dataTypeID === charType);
    for (const { field } of fields) field.dataTypeID = textType;
    charColumns.set(query, fields.map(({ index }) => index));
    return result;
  };
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const index of charColumns.get(query) ?? []) result.columnTypes[index] = ColumnTypeEnum.Character;
    return result;
  };
  // It cuts scripts at every semicolon, also at those inside function bodies.
  if (adapter.executeScript) {
    adapter.executeScript = async (script) => {
      try {
        await adapter.client.query(script);
      } catch (error) {
        adapter.onError(error);
      }
    };
  }
  if (adapter.startTransaction) {
    const startTransaction = adapter.startTransaction.bind(adapter);
    adapter.startTransaction = async (level) => repair(await startTransaction(level));
  }
  return adapter;
}

// --- the engine and its protocol

async function startEngine({ url, shadowUrl, datamodels }) {
  const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm');
  const { instance } = await WebAssembly.instantiate(readFileSync(file), { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  globalThis.PRISMA_WASM_PANIC_REGISTRY = {
    message: '',
    set_message(message) {
      this.message = `RuntimeError: ${message}`;
    },
    get() {
      return this.message;
    },
  };
  const adapter = bindMigrationAwareSqlAdapterFactory(adapterFactory({ url, shadowUrl }));
  return bindings.SchemaEngine.new({ datamodels: datamodels.length > 0 ? datamodels : undefined }, () => undefined, adapter);
}

async function serve(serverOptions) {
  const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  let engine = null;
  let lastId = 0;
  const printed = new Map();

  /** The engine prints by asking the command line to, and goes on when that has answered. */
  function print(content) {
    const id = ++lastId;
    return new Promise((resolve) => {
      printed.set(id, resolve);
      send({ id, method: 'print', params: { content } });
    });
  }

  async function call(method, params) {
    if (method === 'createDatabase') return { databaseName: '' };
    engine ??= startEngine(serverOptions);
    const result = await (await engine)[method === 'getDatabaseVersion' ? 'version' : method](params);
    if (method !== 'diff') return result ?? null;
    if (result.stdout != null) await print(result.stdout.replace(/\n$/, ''));
    return { exitCode: result.exitCode, stdout: null };
  }

  async function answer({ id, method, params }) {
    try {
      send({ id, result: await call(method, params) });
    } catch (error) {
      const data = {
        is_panic: error instanceof WebAssembly.RuntimeError,
        message: error?.message ?? String(error),
        error_code: error?.code ?? error?.error_code,
        meta: error?.meta ?? null,
      };
      send({ id, error: { code: engineErrorCode, message: 'The engine failed; see data.', data } });
    }
  }

  let previous = Promise.resolve();
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const message = JSON.parse(line);
      if (message.method) previous = previous.then(() => answer(message));
      else printed.get(message.id)?.(message);
    })
    .on('close', () => previous.then(() => process.exit()));
}
