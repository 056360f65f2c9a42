import { randomBytes } from 'node:crypto';
import type { Provider } from '@hub/contract';
import {
  type AnswerOptions,
  ConversionError,
  convertPath,
  convertRequest,
  type Dialect,
  type Drop,
  sealMarks,
  stripReasoning,
} from '@hub/protocol';
import { HubFault } from '../faults.ts';
import type { JsonObject } from '../request/json.ts';
import type { ProxyRequest } from '../request/proxy-request.ts';
import { type ClientFormat, nativeTypes, providerDialect } from '../routes.ts';

/** A request on its way to a provider of another dialect, and what its answer's way back needs. */
export interface Conversion {
  /** The provider's. */
  readonly upstream: Dialect;
  /** The client's. */
  readonly client: Dialect;
  readonly body: JsonObject;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly answer: AnswerOptions;
  readonly drops: readonly Drop[];
  readonly streaming: boolean;
}

/** Whether a provider of this type is spoken to in another way than the client speaks. */
export function isForeign(format: ClientFormat, provider: Provider): boolean {
  return !nativeTypes[format].includes(provider.type);
}

/**
 * @param sameProvider the provider answered this conversation before and may see its own reasoning again
 * @throws HubFault 400 if the request asks for something that the other dialect cannot say
 */
export function convertFor(request: ProxyRequest, provider: Provider, model: string, sameProvider: boolean): Conversion {
  const upstream = providerDialect[provider.type];
  const envelope = provider.type === 'gemini-cli';
  const context = {
    now: Math.floor(request.arrivedAt / 1000),
    id: (prefix: string) => prefix + randomBytes(12).toString('hex'),
    targetModel: model,
    sameProvider,
    streaming: request.streaming,
    envelope,
  };
  try {
    const converted = convertRequest(request.dialect, upstream, request.body, context);
    return {
      upstream,
      client: request.dialect,
      body: converted.body,
      path: convertPath(upstream, model, converted.streaming, envelope),
      headers: converted.headers,
      answer: { ...context, toolNames: converted.toolNames, includeUsage: converted.includeUsage, wrapped: converted.wrapped },
      drops: converted.drops,
      streaming: converted.streaming,
    };
  } catch (error) {
    if (error instanceof ConversionError) throw new HubFault('conversion_error', `This request cannot be served by a provider of another format: ${error.message}`);
    throw error;
  }
}

/** Only a body that may hold reasoning of a converted answer is looked through. */
const marks = sealMarks.map((mark) => Buffer.from(mark));

/** A conversation that was converted before and is not now: its upstream must not see reasoning that we sealed. */
export function withoutOwnSeals(request: ProxyRequest, body: JsonObject): JsonObject {
  return marks.some((mark) => request.bytes.includes(mark)) ? stripReasoning(request.dialect, body) : body;
}

/** For message_request.special_settings. */
export function conversionNote({ upstream, client, drops }: Conversion): JsonObject {
  return {
    type: 'format_conversion',
    from: client,
    to: upstream,
    drops: drops.map(({ code, path, action, count }) => ({ code, path, action, count })),
  };
}
