import { channelOptions, create, LimitsService, type ReportRequest, serve, UsageService, wire } from '@hub/contract';
import { hashKey } from '@hub/service';
import * as grpc from '@grpc/grpc-js';
import { hubKey, model, users } from './workload.ts';

/** The other end of the data plane's link: one configuration with everything switched on, and an ear for usage records. */
export interface ControlPlane {
  readonly address: string;
  /** Usage records taken in so far; a record that comes twice counts once. */
  readonly records: number;
  /** Of all records, nano-dollars, rounded. */
  readonly costNanos: number;
  stop(): void;
}

export const planeToken = 'plane-token-of-the-bench';

export async function startControlPlane(upstreamUrl: string, options: { readonly hardBudgets: boolean }): Promise<ControlPlane> {
  const server = new grpc.Server(channelOptions);
  const seen = new Set<string>();
  let costNanos = 0;
  const upserts = configuration(upstreamUrl, options).map((entity) => create(wire.EntitySchema, { entity }));
  const full = { version: 'bench-1', full: true, upserts, deletes: [], last: true };
  serve(
    server,
    wire.ConfigService,
    {
      watch(call) {
        call.on('data', ({ message }: wire.WatchRequest) => {
          if (message.case === 'hello') call.write(full);
        });
        call.on('error', () => undefined);
        call.on('end', () => call.end());
      },
    },
    () => undefined,
  );
  serve(server, LimitsService, { warm: async ({ queries }) => ({ answers: queries.map(() => ({ totalNanos: 0n })), recent: [] }) }, () => undefined);
  serve(
    server,
    UsageService,
    {
      report(call) {
        call.on('data', ({ batch, records }: ReportRequest) => {
          for (const { id, costUsd } of records) {
            if (seen.has(id)) continue;
            seen.add(id);
            costNanos += Math.round(Number(costUsd ?? 0) * 1e9);
          }
          call.write({ batch, rejected: [] });
        });
        call.on('error', () => undefined);
        call.on('end', () => call.end());
      },
    },
    () => undefined,
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    address: `127.0.0.1:${port}`,
    get records() {
      return seen.size;
    },
    get costNanos() {
      return costNanos;
    },
    stop: () => server.forceShutdown(),
  };
}

/** Every limit is set, and none is ever reached. */
const amount = 9_000_000_000_000_000n;
const limits = {
  fiveHourNanos: amount,
  dailyNanos: amount,
  weeklyNanos: amount,
  monthlyNanos: amount,
  totalNanos: amount,
  concurrentSessions: 100_000,
  dailyResetMode: 'fixed',
  dailyResetTime: '04:00',
};

function configuration(upstreamUrl: string, { hardBudgets }: { readonly hardBudgets: boolean }): wire.Entity['entity'][] {
  const limited = create(wire.SpendLimitsSchema, limits);
  const userIds = Array.from({ length: users }, (_, index) => index + 1);
  const priceJson = JSON.stringify({
    mode: 'chat',
    input_cost_per_token: 3e-6,
    output_cost_per_token: 15e-6,
    cache_read_input_token_cost: 3e-7,
    cache_creation_input_token_cost: 3.75e-6,
  });
  return [
    {
      case: 'settings',
      value: create(wire.SettingsSchema, { enableFormatConversion: true, budgetEnforcement: hardBudgets ? 'hard' : 'soft', timeZone: 'Asia/Shanghai' }),
    },
    { case: 'price', value: create(wire.ModelPriceSchema, { model, priceJson }) },
    ...userIds.map((id) => ({ case: 'user' as const, value: create(wire.UserSchema, { id, name: `user ${id}`, enabled: true, rpm: 10_000_000, limits: limited }) })),
    ...userIds.map((id) => ({
      case: 'key' as const,
      value: create(wire.KeySchema, { id, userId: id, name: 'default', enabled: true, sha256: hashKey(hubKey(id)), limits: limited }),
    })),
    ...[1, 2, 3].map((id) => ({ case: 'provider' as const, value: provider(id, upstreamUrl, limited) })),
  ];
}

function provider(id: number, url: string, limited: wire.SpendLimits): wire.Provider {
  return create(wire.ProviderSchema, {
    id,
    name: `provider ${id}`,
    url,
    apiKey: `sk-upstream-of-the-bench-${id}`,
    enabled: true,
    weight: 1,
    costMultiplier: '1.1',
    providerType: 'claude',
    limits: limited,
    breakerFailureThreshold: 5,
    breakerOpenMs: 1_800_000,
    breakerHalfOpenSuccesses: 2,
    firstByteTimeoutMs: 60_000,
    streamIdleTimeoutMs: 60_000,
    totalTimeoutMs: 600_000,
  });
}
