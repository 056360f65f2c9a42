import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';

/** protobuf-es service descriptors on grpc-js: typed handlers for a server, a typed client for the other side. */

type Method<S extends DescService, K extends keyof S['method']> = S['method'][K];
type Request<M extends DescMethod> = MessageShape<M['input']>;
type RequestInit<M extends DescMethod> = MessageInitShape<M['input']>;
type Response<M extends DescMethod> = MessageShape<M['output']>;
type ResponseInit<M extends DescMethod> = MessageInitShape<M['output']>;

/** The link only has these two kinds of call. */
export type Handlers<S extends DescService> = {
  [K in keyof S['method']]: Method<S, K>['methodKind'] extends 'unary'
    ? (request: Request<Method<S, K>>, call: grpc.ServerUnaryCall<unknown, unknown>) => Promise<ResponseInit<Method<S, K>>>
    : (call: grpc.ServerDuplexStream<Request<Method<S, K>>, ResponseInit<Method<S, K>>>) => void;
};

export type Client<S extends DescService> = {
  [K in keyof S['method']]: Method<S, K>['methodKind'] extends 'unary'
    ? (request: RequestInit<Method<S, K>>, options?: CallOptions) => Promise<Response<Method<S, K>>>
    : (options?: CallOptions) => grpc.ClientDuplexStream<RequestInit<Method<S, K>>, Response<Method<S, K>>>;
} & { close(): void };

export interface CallOptions {
  /** Absolute, epoch ms. */
  readonly deadline?: number;
}

function serialize(schema: DescMessage) {
  return (message: unknown): Buffer => {
    const bytes = toBinary(schema, create(schema, message as MessageInitShape<typeof schema>));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserialize(schema: DescMessage) {
  return (bytes: Buffer): unknown => fromBinary(schema, bytes);
}

function definition(method: DescMethod): grpc.MethodDefinition<unknown, unknown> {
  const streaming = method.methodKind === 'bidi_streaming';
  if (!streaming && method.methodKind !== 'unary') throw new Error(`${method.name}: unary and bidi calls only`);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: streaming,
    responseStream: streaming,
    requestSerialize: serialize(method.input),
    requestDeserialize: deserialize(method.input),
    responseSerialize: serialize(method.output),
    responseDeserialize: deserialize(method.output),
  };
}

/** An error of a handler that the other side may see. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: grpc.status;
  constructor(code: grpc.status, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Registers a service. `authorize` sees the metadata of every call and returns a reason to refuse it, or undefined.
 */
export function serve<S extends DescService>(
  server: grpc.Server,
  service: S,
  handlers: Handlers<S>,
  authorize: (metadata: grpc.Metadata) => string | undefined,
): void {
  const definitions: Record<string, grpc.MethodDefinition<unknown, unknown>> = {};
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    definitions[method.localName] = definition(method);
    const handler = handlers[method.localName as keyof S['method']] as (...args: unknown[]) => unknown;
    implementation[method.localName] =
      method.methodKind === 'unary' ? unaryHandler(handler, authorize) : streamHandler(handler, authorize);
  }
  server.addService(definitions, implementation);
}

function unaryHandler(
  handler: (...args: unknown[]) => unknown,
  authorize: (metadata: grpc.Metadata) => string | undefined,
): grpc.handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    const refusal = authorize(call.metadata);
    if (refusal !== undefined) return callback({ code: grpc.status.UNAUTHENTICATED, details: refusal });
    Promise.resolve(handler(call.request, call)).then(
      (response) => callback(null, response),
      (error: unknown) => callback(toStatus(error)),
    );
  };
}

function streamHandler(
  handler: (...args: unknown[]) => unknown,
  authorize: (metadata: grpc.Metadata) => string | undefined,
): grpc.handleBidiStreamingCall<unknown, unknown> {
  return (call) => {
    const refusal = authorize(call.metadata);
    if (refusal !== undefined) {
      call.emit('error', { code: grpc.status.UNAUTHENTICATED, details: refusal });
      return;
    }
    handler(call);
  };
}

function toStatus(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof RpcError) return { code: error.code, details: error.message };
  return { code: grpc.status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
}

export interface ClientOptions {
  readonly target: string;
  readonly credentials: grpc.ChannelCredentials;
  /** Metadata of every call, asked anew each time so that a token can rotate. */
  readonly metadata: () => grpc.Metadata;
  readonly channel?: grpc.ChannelOptions;
}

export function createRpcClient<S extends DescService>(service: S, options: ClientOptions): Client<S> {
  const client = new grpc.Client(options.target, options.credentials, options.channel);
  const calls: Record<string, unknown> = { close: () => client.close() };
  for (const method of service.methods) {
    const { path, requestSerialize, responseDeserialize } = definition(method);
    calls[method.localName] =
      method.methodKind === 'unary'
        ? (request: unknown, call: CallOptions = {}) =>
            new Promise((resolve, reject) => {
              client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options.metadata(), call, (error, response) =>
                error ? reject(error) : resolve(response),
              );
            })
        : (call: CallOptions = {}) =>
            client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, options.metadata(), call);
  }
  return calls as Client<S>;
}
