import type { Handlers, wire } from '@hub/contract';
import type { Logger } from '@hub/service';
import type { LinkMetrics } from './metrics.ts';
import type { NodeRegistry } from './node-registry.ts';
import { type NodeState, NodeStream } from './node-stream.ts';
import type { Publisher } from './publisher.ts';

export interface ConfigServiceOptions {
  readonly publisher: Publisher;
  readonly registry: NodeRegistry;
  readonly metrics: LinkMetrics;
  readonly log: Logger;
}

export interface ConfigService {
  readonly handlers: Handlers<typeof wire.ConfigService>;
  /** Ends every stream. */
  close(): void;
}

const states: readonly NodeState[] = ['current', 'behind', 'refusing'];

/** Keeps every connected data plane at the newest version. */
export function createConfigService(options: ConfigServiceOptions): ConfigService {
  const { publisher, metrics } = options;
  const streams = new Set<NodeStream>();
  const unsubscribe = publisher.subscribe(() => {
    for (const stream of streams) stream.advance();
  });
  metrics.countNodes(() => {
    const counts = new Map<NodeState, number>(states.map((state) => [state, 0]));
    for (const { state } of streams) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  });
  return {
    handlers: {
      watch(call) {
        const stream = new NodeStream(call, options);
        streams.add(stream);
        call.on('close', () => streams.delete(stream));
      },
    },
    close() {
      unsubscribe();
      for (const stream of streams) stream.end();
    },
  };
}
