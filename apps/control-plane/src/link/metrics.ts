import { Counter, Gauge, Histogram, type Registry } from '@hub/service';

/** What the link measures. */
export interface LinkMetrics {
  readonly publishSeconds: Histogram;
  readonly records: Counter<'result'>;
  readonly batchSeconds: Histogram;
  /** Starts the age of the version anew. */
  published(): void;
  /** Says where the numbers of connected nodes by state come from. */
  countNodes(count: () => ReadonlyMap<string, number>): void;
}

export function createLinkMetrics(registry: Registry): LinkMetrics {
  const registers = [registry];
  let publishedAt = Date.now();
  let nodesByState: () => ReadonlyMap<string, number> = () => new Map();
  const age = new Gauge({
    name: 'hub_config_version_age_seconds',
    help: 'Time since the newest version of the configuration was published.',
    registers: [],
    collect() {
      this.set((Date.now() - publishedAt) / 1000);
    },
  });
  const nodes = new Gauge({
    name: 'hub_config_nodes',
    help: 'Connected data planes: those that serve the newest version, those behind, and those that refused what they were sent.',
    labelNames: ['state'],
    registers: [],
    collect() {
      for (const [state, count] of nodesByState()) this.set({ state }, count);
    },
  });
  registry.registerMetric(age);
  registry.registerMetric(nodes);
  return {
    publishSeconds: new Histogram({
      name: 'hub_config_publish_seconds',
      help: 'From noticing a change of the configuration to its publication.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    records: new Counter({
      name: 'hub_usage_records_total',
      help: 'Usage records taken in: stored, already there, or impossible to store.',
      labelNames: ['result'],
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'hub_usage_batch_seconds',
      help: 'Time to store one batch of usage records.',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    published() {
      publishedAt = Date.now();
    },
    countNodes(count) {
      nodesByState = count;
    },
  };
}
