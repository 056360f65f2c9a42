/**
 * What the planes say to each other: the generated protobuf types, the snapshot that both compile, and the helpers of the
 * link.
 *
 * Glossary. caller: a key and its user. provider: an upstream account with its address. candidate: a provider that could
 * serve this request. attempt: one exchange with one candidate. hold: what was taken from the limits and must come back.
 * outcome: what happened, for the record. snapshot: one version of the whole configuration. dialect: a wire format.
 */
/** The rows of the configuration as they travel, and ConfigService. */
export * as wire from './gen/hub/v1/config_pb.ts';
export * from './gen/hub/v1/limits_pb.ts';
export * from './gen/hub/v1/usage_pb.ts';
export { compile, type CompileResult, emptySnapshot, referenceOf, type SnapshotProblem, type SnapshotUpdate } from './compile.ts';
export { defaultSettings, fingerprintOf, groupSet } from './compile-rows.ts';
export { channelOptions, checkPlaneToken, clientCredentials, parsePlaneTokens, planeMetadata, serverCredentials, type TlsFiles } from './link.ts';
export { type Client, type ClientOptions, createRpcClient, type Handlers, RpcError, serve } from './rpc.ts';
export * from './snapshot.ts';
export { create, fromBinary, toBinary } from '@bufbuild/protobuf';
