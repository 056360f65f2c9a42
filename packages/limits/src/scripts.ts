import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { Cluster } from 'ioredis';

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
    if (!isUnknownScript(error)) throw error;
    return redis.eval(script.lua, keys.length, ...keys, ...args);
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.includes('NOSCRIPT');
}

interface QueuedCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/**
 * Runs scripts; what is asked for in one turn of the event loop leaves in one write, because a write costs a process more
 * than the script's arguments do. Not on a Cluster, where one write can only go to one node.
 */
export class ScriptRunner {
  readonly #redis: RedisClient;
  #queue: QueuedCall[] = [];

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    if (this.#redis instanceof Cluster) return runScript(this.#redis, script, keys, args);
    return new Promise((resolve, reject) => {
      this.#queue.push({ script, keys, args, resolve, reject });
      if (this.#queue.length === 1) setImmediate(() => void this.#flush());
    });
  }

  async #flush(): Promise<void> {
    const calls = this.#queue;
    this.#queue = [];
    const pipeline = this.#redis.pipeline();
    for (const { script, keys, args } of calls) pipeline.evalsha(script.sha, keys.length, ...keys, ...args);
    try {
      const answers = await pipeline.exec();
      for (const [index, call] of calls.entries()) {
        const [error, answer] = answers?.[index] ?? [new Error('a script was not answered'), undefined];
        if (error === null) call.resolve(answer);
        else if (!isUnknownScript(error)) call.reject(error);
        else this.#redis.eval(call.script.lua, call.keys.length, ...call.keys, ...call.args).then(call.resolve, call.reject);
      }
    } catch (error) {
      for (const call of calls) call.reject(error);
    }
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
