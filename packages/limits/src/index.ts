/**
 * Limits of users, keys and providers, their sessions and their breakers, shared by all data planes through Redis.
 * Words: a *subject* has limits; a *slot* is one user with all its keys, or one provider; a *hold* is what an admitted
 * request has taken, a *lease* how long it lives without renewal; *cold* counters are missing and are rebuilt from the
 * database before anybody is admitted by them. It knows nothing of HTTP, snapshots or prices.
 */
export type { Mode } from './failover-store.ts';
export type { Hold, HeldSession, ProviderAnswer, Settlement } from './hold.ts';
export { createLimiter } from './limiter.ts';
export type { Limiter, LimiterOptions, ReserveRequest, ReserveResult, SessionRef, SubjectNow } from './limiter.ts';
export type { WarmAnswer, WarmQuery, WarmRequest, Warmth, WarmUp } from './rebuild.ts';
export type { LimitType, Refusal } from './refusal.ts';
export type { Standing } from './store.ts';
export type { LimitRules, Subject, SubjectKind, SubjectRef } from './subject.ts';
export { calendarOf } from './window.ts';
export type { Calendar, Span } from './window.ts';

export type { BreakerPhase, BreakerRecord, BreakerRules } from './breaker-machine.ts';
export { createBreakers } from './breakers.ts';
export type { Breakers, BreakersOptions, BreakerTransition, Permit } from './breakers.ts';

export { createSessionDirectory } from './session-directory.ts';
export type { SessionDirectory, SessionDirectoryOptions, SessionFilter, SessionInfo } from './session-directory.ts';

export { openRedis } from './redis.ts';
export type { OpenRedisOptions } from './redis.ts';
export type { RedisClient } from './scripts.ts';
