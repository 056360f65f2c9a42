import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@hub/service';

/** Everything this process measures. Labels are few and bounded: no users, keys, sessions or free texts. */
export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'format' | 'outcome' | 'status'>;
  readonly attempts: Counter<'provider' | 'outcome'>;
  readonly firstContent: Histogram<'format'>;
  readonly duration: Histogram<'format'>;
  readonly rejectedRecords: Counter;
}

export interface MetricSources {
  readonly inFlight: () => number;
  readonly ledger: () => { backlog: number; failing: boolean; unwrittenBytes: number; damaged: number };
  readonly controlPlaneConnected: () => boolean;
  /** Seconds since the control plane last spoke. */
  readonly configAge: () => number;
  readonly configVersion: () => string;
  readonly configUnsaved: () => boolean;
  readonly limiter: () => { readonly mode: string; readonly journaled: number; readonly nodes: number; readonly requestsInFlight: number };
}

const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('hub_requests_in_flight', 'Requests whose answer is not complete.', sources.inFlight);
  gauge('hub_ledger_backlog_records', 'Usage records that the control plane has not acknowledged.', () => sources.ledger().backlog);
  gauge('hub_ledger_failing', '1 while the disk refuses usage records (they wait in memory).', () => Number(sources.ledger().failing));
  gauge('hub_ledger_unwritten_bytes', 'Usage records that wait in memory for the disk.', () => sources.ledger().unwrittenBytes);
  gauge('hub_ledger_damaged_total', 'Damaged places found in ledger files.', () => sources.ledger().damaged);
  gauge('hub_control_plane_connected', '1 while the control plane can be reached.', () => Number(sources.controlPlaneConnected()));
  gauge('hub_config_age_seconds', 'Seconds since the control plane confirmed the configuration.', sources.configAge);
  gauge('hub_config_unsaved', '1 while the configuration in force is not on disk yet.', () => Number(sources.configUnsaved()));
  gauge('hub_limits_local', '1 while limits are kept in this process because Redis is away.', () => Number(sources.limiter().mode === 'local'));
  gauge('hub_limits_unsent_settlements', 'Settlements that wait for Redis.', () => sources.limiter().journaled);
  gauge('hub_limits_nodes', 'Data plane processes that share the limits.', () => sources.limiter().nodes);
  gauge('hub_limits_holds', 'Requests that hold a part of their limits.', () => sources.limiter().requestsInFlight);
  new Gauge({
    name: 'hub_config_info',
    help: 'The configuration that is in force, as a label.',
    labelNames: ['version'],
    registers: [registry],
    collect() {
      this.reset();
      this.set({ version: sources.configVersion() }, 1);
    },
  });
  return {
    registry,
    requests: new Counter({
      name: 'hub_requests_total',
      help: 'Requests by client format, how they ended and status.',
      labelNames: ['format', 'outcome', 'status'],
      registers: [registry],
    }),
    attempts: new Counter({
      name: 'hub_upstream_attempts_total',
      help: 'Exchanges with upstreams by provider id and how they ended.',
      labelNames: ['provider', 'outcome'],
      registers: [registry],
    }),
    firstContent: new Histogram({
      name: 'hub_first_content_seconds',
      help: 'From the arrival of a request to the first content of its answer.',
      labelNames: ['format'],
      buckets: seconds,
      registers: [registry],
    }),
    duration: new Histogram({
      name: 'hub_request_duration_seconds',
      help: 'From the arrival of a request to the end of its answer.',
      labelNames: ['format'],
      buckets: seconds,
      registers: [registry],
    }),
    rejectedRecords: new Counter({
      name: 'hub_ledger_rejected_records_total',
      help: 'Usage records that the control plane can never store.',
      registers: [registry],
    }),
  };
}
