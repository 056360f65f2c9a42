import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LimitsService, SubjectKind } from './gen/hub/v1/limits_pb.ts';
import { type ReportResponse, UsageService } from './gen/hub/v1/usage_pb.ts';
import { channelOptions, checkPlaneToken, parsePlaneTokens, planeMetadata } from './link.ts';
import { createRpcClient, RpcError, serve } from './rpc.ts';

const tokens = parsePlaneTokens('new-token, old-token');
let server: grpc.Server;
let target: string;

beforeAll(async () => {
  server = new grpc.Server(channelOptions);
  const authorize = (metadata: grpc.Metadata) => checkPlaneToken(tokens, metadata);
  serve(
    server,
    LimitsService,
    {
      async warm(request) {
        if (request.queries.length === 0) throw new RpcError(grpc.status.INVALID_ARGUMENT, 'ask something');
        return { answers: request.queries.map((query) => ({ totalNanos: BigInt(query.id) })) };
      },
    },
    authorize,
  );
  serve(
    server,
    UsageService,
    {
      report(call) {
        call.on('data', ({ batch }) => call.write({ batch }));
        call.on('end', () => call.end());
      },
    },
    authorize,
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  target = `127.0.0.1:${port}`;
});
afterAll(() => server.forceShutdown());

const clientWith = (presented: readonly string[]) => ({ target, credentials: grpc.credentials.createInsecure(), metadata: () => planeMetadata(presented), channel: channelOptions });

describe('the link', () => {
  it('carries unary calls and their errors', async () => {
    const client = createRpcClient(LimitsService, clientWith(tokens));
    const { answers } = await client.warm({ queries: [{ kind: SubjectKind.KEY, id: 42 }] });
    expect(answers[0]?.totalNanos).toBe(42n);
    await expect(client.warm({ queries: [] })).rejects.toMatchObject({ code: grpc.status.INVALID_ARGUMENT, details: 'ask something' });
    client.close();
  });

  it('carries streams both ways in order', async () => {
    const client = createRpcClient(UsageService, clientWith(tokens));
    const stream = client.report();
    for (let batch = 1n; batch <= 50n; batch++) stream.write({ batch });
    stream.end();
    const seen: bigint[] = [];
    for await (const response of stream as AsyncIterable<ReportResponse>) seen.push(response.batch);
    expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => BigInt(index + 1)));
    client.close();
  });

  it.each([[['old-token'], true], [['wrong'], false], [[], false]])('token %j accepted: %s', async (presented, accepted) => {
    const client = createRpcClient(LimitsService, clientWith(presented));
    const call = client.warm({ queries: [{ id: 1 }] });
    if (accepted) await expect(call).resolves.toBeDefined();
    else await expect(call).rejects.toMatchObject({ code: grpc.status.UNAUTHENTICATED, details: expect.stringContaining('PLANE_TOKEN') });
    const streaming = createRpcClient(UsageService, clientWith(presented));
    if (!accepted) {
      const code = await new Promise((resolve) => streaming.report().on('error', (error: grpc.ServiceError) => resolve(error.code)).resume());
      expect(code).toBe(grpc.status.UNAUTHENTICATED);
    }
    client.close();
    streaming.close();
  });
});
