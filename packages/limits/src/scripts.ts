import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Cluster, Redis } from 'ioredis';

/** A script with its digest, as EVALSHA wants it. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export type RedisClient = Redis | Cluster;

/** The .lua files lie beside src and dist. */
function readLua(name: string): string {
  return readFileSync(new URL(`../lua/${name}.lua`, import.meta.url), 'utf8');
}

/** Reads `lua/<name>.lua`; with `lib.lua` in front unless it stands alone. */
export function loadScript(name: string, standsAlone = false): Script {
  const lua = standsAlone ? readLua(name) : `${readLua('lib')}\n${readLua(name)}`;
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** Runs a script by digest; a server that does not know it (restarted, new cluster node) gets its text. */
export async function runScript(
  redis: RedisClient,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes('NOSCRIPT')) throw error;
    return redis.eval(script.lua, keys.length, ...keys, ...args);
  }
}

/** Reads a script's answer, an array of texts and integers, item by item. Throws a TypeError on anything else. */
export class Reply {
  readonly #items: readonly unknown[];
  #at = 0;

  constructor(reply: unknown) {
    if (!Array.isArray(reply)) throw new TypeError(`a script answered ${JSON.stringify(reply)} instead of a list`);
    this.#items = reply;
  }

  get done(): boolean {
    return this.#at >= this.#items.length;
  }

  /** Looks at the next item without taking it. */
  peek(): unknown {
    return this.#items[this.#at];
  }

  text(): string {
    const item = this.#items[this.#at];
    this.#at += 1;
    if (typeof item === 'string') return item;
    if (typeof item === 'number') return String(item);
    throw new TypeError(`a script answered ${JSON.stringify(item)} at place ${this.#at}`);
  }

  number(): number {
    return Number(this.text());
  }

  bigint(): bigint {
    return BigInt(this.text());
  }
}
