import type { UsageRecord, wire } from '@hub/contract';
import type { Dialect } from '@hub/protocol';
import { type ScriptedUpstream, startUpstream } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Fields, key, price, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from '../boot.ts';

/** One gateway, one control plane, one scripted provider; each test says what is configured and what the provider does. */
export interface World {
  readonly upstream: ScriptedUpstream;
  readonly controlPlane: TestControlPlane;
  readonly hub: TestGateway;
  /** Puts settings, the usual user, key and prices and these rows in force; later rows of the same id win. */
  publish(...rows: Row[]): Promise<void>;
  /** How often the provider of this mode was asked. */
  calls(mode: string): number;
  /** The first record that fits, once it is there. */
  record(fits?: (record: UsageRecord) => boolean): Promise<UsageRecord>;
}

export type Row = wire.Entity['entity'];

/** USD per token, so that what an answer costs can be worked out on paper. */
const rates = {
  input_cost_per_token: 1e-6,
  output_cost_per_token: 2e-6,
  cache_read_input_token_cost: 1e-7,
  cache_creation_input_token_cost: 1.25e-6,
  cache_creation_input_token_cost_above_1hr: 2e-6,
};
export const prices: readonly Row[] = ['claude-sonnet-4-5', 'gpt-4o', 'gpt-5', 'gemini-2.5-pro'].map((model) => price(model, rates));

/** Opens a world for the tests of a file and empties it before each. */
export function useWorld(env: Record<string, string> = {}): World {
  let upstream: ScriptedUpstream;
  let controlPlane: TestControlPlane;
  let hub: TestGateway;
  beforeAll(async () => {
    upstream = await startUpstream();
    controlPlane = await startControlPlane();
    controlPlane.publish([settings(), user(), key()]);
    hub = await startGateway(controlPlane, { env });
  });
  afterAll(async () => {
    await hub.stop();
    await controlPlane.stop();
    await upstream.close();
  });
  beforeEach(async () => {
    // What the test before has left behind must not be taken for this one's.
    await hub.gateway.shipper.flush(5000);
    upstream.reset();
    controlPlane.records.length = 0;
  });
  return {
    get upstream() {
      return upstream;
    },
    get controlPlane() {
      return controlPlane;
    },
    get hub() {
      return hub;
    },
    async publish(...rows) {
      await controlPlane.waitForAck(controlPlane.publish([settings(), user(), key(), ...prices, ...rows]));
    },
    calls: (mode) => upstream.requests.filter((request) => request.mode === mode).length,
    async record(fits = () => true) {
      for (let count = 1; ; count++) {
        const found = (await controlPlane.waitForRecords(count)).find(fits);
        if (found !== undefined) return found;
      }
    },
  };
}

/** A provider of the scripted upstream that is named after its mode. Its breaker is off unless a test turns it on. */
export function providerAt(world: World, mode: string, init: Fields<wire.Provider> = {}): Row {
  return provider({ url: world.upstream.urlFor(mode), name: mode, maxRetryAttempts: 1, breakerFailureThreshold: 0, ...init });
}

/** How a client of each dialect asks, and which type of provider speaks it. */
export const clients: Readonly<Record<Dialect, { readonly type: string; readonly model: string; ask(stream: boolean): { path: string; body: Record<string, unknown> } }>> = {
  anthropic: {
    type: 'claude',
    model: 'claude-sonnet-4-5',
    ask: (stream) => ({ path: '/v1/messages', body: { model: 'claude-sonnet-4-5', max_tokens: 99, stream, messages: [{ role: 'user', content: 'hello' }] } }),
  },
  'openai-chat': {
    type: 'openai-compatible',
    model: 'gpt-4o',
    ask: (stream) => ({ path: '/v1/chat/completions', body: { model: 'gpt-4o', stream, messages: [{ role: 'user', content: 'hello' }] } }),
  },
  'openai-responses': {
    type: 'codex',
    model: 'gpt-5',
    ask: (stream) => ({ path: '/v1/responses', body: { model: 'gpt-5', stream, input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] }] } }),
  },
  gemini: {
    type: 'gemini',
    model: 'gemini-2.5-pro',
    ask: (stream) => ({ path: `/v1beta/models/gemini-2.5-pro:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, body: { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] } }),
  },
};

export interface SendInit {
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export function send(url: string, { path, body }: { path: string; body: unknown }, { key: credential = testKey, headers = {}, signal }: SendInit = {}): Promise<Response> {
  return fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${credential}`, ...headers },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });
}

export interface ChainItem {
  readonly id: number;
  readonly reason: string;
  readonly statusCode?: number;
  readonly [field: string]: unknown;
}

export function chainOf(record: UsageRecord): readonly ChainItem[] {
  return JSON.parse(record.providerChainJson === '' ? '[]' : record.providerChainJson) as ChainItem[];
}

/** Reads a stream until `seen` says that what came is enough. */
export async function readUntil(response: Response, seen: (text: string) => boolean): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Error('no body');
  let text = '';
  const decoder = new TextDecoder();
  while (!seen(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`ended before it was seen: ${text}`);
    text += decoder.decode(value, { stream: true });
  }
  reader.releaseLock();
  return text;
}
