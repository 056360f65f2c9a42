/**
 * The circuit breaker of one provider as a pure state machine: a record, rules, a moment in; a record out. A function that
 * changes nothing returns the very record it was given.
 *
 * closed     counts consecutive failures; as many as the threshold open it
 * open       nobody is sent there until `openUntil`
 * half-open  from then on a bounded number of trial requests at a time; enough successes close it, one failure opens it
 *            again
 *
 * Requests that began while it was closed have no say once it has opened: only trials decide.
 */

export type BreakerPhase = 'closed' | 'open' | 'half-open';

export interface BreakerRules {
  /** Consecutive failures that open it; 0 = the breaker is off. */
  readonly failureThreshold: number;
  readonly openMs: number;
  /** Trial successes that close it. */
  readonly halfOpenSuccesses: number;
}

export interface BreakerRecord {
  readonly phase: BreakerPhase;
  /** Consecutive failures; kept while open, 0 after closing. */
  readonly failures: number;
  /** Epoch ms; undefined = none yet. */
  readonly lastFailureAt: number | undefined;
  /** Epoch ms; read when open. */
  readonly openUntil: number;
  /** Trials that succeeded since it was half-opened. */
  readonly successes: number;
  /** Trials under way. One that is never ended (its process died) is forgotten at `until`. */
  readonly trials: readonly { readonly id: string; readonly until: number }[];
}

export const pristine: BreakerRecord = {
  phase: 'closed',
  failures: 0,
  lastFailureAt: undefined,
  openUntil: 0,
  successes: 0,
  trials: [],
};

/** How long a trial occupies its place at most. */
export const TRIAL_MS = 120_000;

/** The phase for a request at `now`: an open breaker whose time is over is half-open. */
export function phaseAt(record: BreakerRecord, rules: BreakerRules, now: number): BreakerPhase {
  if (rules.failureThreshold <= 0) return 'closed';
  return record.phase === 'open' && now >= record.openUntil ? 'half-open' : record.phase;
}

function opened(record: BreakerRecord, rules: BreakerRules, now: number): BreakerRecord {
  return { ...record, phase: 'open', lastFailureAt: now, openUntil: now + rules.openMs, successes: 0, trials: [] };
}

/** A failure of a request that began while the breaker was closed. */
export function afterFailure(record: BreakerRecord, rules: BreakerRules, now: number): BreakerRecord {
  if (rules.failureThreshold <= 0 || record.phase !== 'closed') return record;
  const counted = { ...record, failures: record.failures + 1, lastFailureAt: now };
  return counted.failures >= rules.failureThreshold ? opened(counted, rules, now) : counted;
}

/** A success of a request that began while the breaker was closed. */
export function afterSuccess(record: BreakerRecord): BreakerRecord {
  return record.phase === 'closed' && record.failures > 0 ? { ...record, failures: 0 } : record;
}

/** Lets a trial through: the record is another one if and only if it may go. As many at a time as successes are wanted. */
export function withTrial(record: BreakerRecord, rules: BreakerRules, now: number, id: string): BreakerRecord {
  if (phaseAt(record, rules, now) !== 'half-open') return record;
  const underWay = record.phase === 'half-open' ? record.trials.filter(({ until }) => until > now) : [];
  if (underWay.length >= Math.max(1, rules.halfOpenSuccesses)) return record;
  return {
    ...record,
    phase: 'half-open',
    successes: record.phase === 'half-open' ? record.successes : 0,
    trials: [...underWay, { id, until: now + TRIAL_MS }],
  };
}

function withoutTrial(record: BreakerRecord, id: string): BreakerRecord {
  const trials = record.trials.filter((trial) => trial.id !== id);
  return trials.length === record.trials.length ? record : { ...record, trials };
}

export type TrialVerdict = 'success' | 'failure' | 'none';

/** The end of a trial; `none` = it says nothing about the provider (the client left, the caller was at fault). */
export function afterTrial(
  record: BreakerRecord,
  rules: BreakerRules,
  now: number,
  { id, verdict }: { readonly id: string; readonly verdict: TrialVerdict },
): BreakerRecord {
  // Decided by other trials meanwhile, or forgotten because it took too long: then it has no say.
  if (record.phase !== 'half-open' || !record.trials.some((trial) => trial.id === id)) return record;
  if (verdict === 'failure') return opened({ ...record, failures: Math.max(record.failures, 1) }, rules, now);
  const rest = withoutTrial(record, id);
  if (verdict === 'none') return rest;
  const successes = rest.successes + 1;
  return successes >= Math.max(1, rules.halfOpenSuccesses) ? { ...pristine, lastFailureAt: rest.lastFailureAt } : { ...rest, successes };
}

/** An open breaker whose provider answered a probe: trials may begin at once. */
export function afterProbe(record: BreakerRecord, now: number): BreakerRecord {
  return record.phase === 'open' && record.openUntil > now ? { ...record, openUntil: now } : record;
}

/** A record from elsewhere; undefined if it is not one. */
export function parseRecord(text: string): BreakerRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const phase = fields.get('phase');
  if (phase !== 'closed' && phase !== 'open' && phase !== 'half-open') return undefined;
  const count = (name: string): number => {
    const field = fields.get(name);
    return typeof field === 'number' && Number.isFinite(field) ? field : 0;
  };
  const trials: unknown = fields.get('trials');
  return {
    phase,
    failures: count('failures'),
    lastFailureAt: fields.has('lastFailureAt') ? count('lastFailureAt') : undefined,
    openUntil: count('openUntil'),
    successes: count('successes'),
    trials: (Array.isArray(trials) ? trials : []).flatMap((trial: unknown) => parseTrial(trial) ?? []),
  };
}

function parseTrial(value: unknown): { id: string; until: number } | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('until' in value)) return undefined;
  const { id, until } = value;
  return typeof id === 'string' && typeof until === 'number' ? { id, until } : undefined;
}
