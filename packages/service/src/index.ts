/** What every process of the hub needs: settings, log, clock, back-off, an orderly end, sealing, ids, the ops port. */
export { type Announcement, announceReady, explainStartError, failStart } from './announce.ts';
export { type Backoff, backoff } from './backoff.ts';
export { type Clock, systemClock } from './clock.ts';
export { createLifecycle, type Lifecycle, stopOnSignals } from './lifecycle.ts';
export { createLogger, type Logger, logLevels, maskSecrets, silentLogger } from './log.ts';
export { type OpsServer, startOpsServer } from './ops-server.ts';
export { recordId } from './record-id.ts';
export { createSealer, hashKey, isSealed, type Sealer, secretsEqual } from './seal.ts';
export { flag, integer, oneOf, port, readSettings, type Setting, SettingsError, type SettingValues, text } from './settings.ts';
export { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
