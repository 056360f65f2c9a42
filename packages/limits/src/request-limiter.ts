import { randomUUID } from 'node:crypto';
import type { Clock, Logger } from '@hub/service';
import { FailoverStore } from './failover-store.ts';
import type { Mode } from './failover-store.ts';
import { isLimitedProvider, RequestHold, unlimitedProviderHold } from './hold.ts';
import type { HoldContext, ProviderAnswer, ProviderRequest } from './hold.ts';
import { Journal } from './journal.ts';
import type { Settled } from './journal.ts';
import type { Limiter, LimiterOptions, ReserveRequest, ReserveResult, SessionRef, SubjectNow } from './limiter.ts';
import { LiveHolds } from './live-holds.ts';
import { MemoryStore } from './memory-store.ts';
import { Mirror } from './mirror.ts';
import { dayStartOf, positionAt, settleOrder } from './orders.ts';
import { Rebuilder } from './rebuild.ts';
import { RedisStore } from './redis-store.ts';
import type { Refusal } from './refusal.ts';
import type { HoldOrder, LimitStore, SettleOrder, Standing } from './store.ts';
import type { Subject } from './subject.ts';
import { countLimitOf, hasSpendLimit, providerSlot, sessionMember, signatureOf, tagOf, userSlot } from './subject.ts';
import { Taker } from './taker.ts';
import type { TakeAnswer, Taken } from './taker.ts';
import { calendarOf } from './window.ts';
import type { Calendar } from './window.ts';

const MOST_JOURNALED = 50_000;
/** Settlements of this node that may not be in the database yet: longer than a record takes to get there. */
const RECENT = { keepMs: 10_000, most: 10_000 };

interface Entered {
  readonly answer: ProviderAnswer;
  readonly hold: HoldOrder | undefined;
}

/** Puts the parts together: where limits are kept, who rebuilds them, what this node remembers and renews. */
export class RequestLimiter implements Limiter {
  readonly #holds = new LiveHolds();
  readonly #recent = new Journal<Settled>({ ...RECENT, timeOf: ({ settledAt }) => settledAt });
  readonly #mirror = new Mirror();
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #nodeId: string;
  readonly #leaseMs: number;
  readonly #heartbeatMs: number;
  readonly #sessionTtlMs: number;
  readonly #failover: FailoverStore | undefined;
  readonly #store: LimitStore;
  readonly #taker: Taker;
  readonly #context: HoldContext;
  readonly #timers: NodeJS.Timeout[];
  readonly #isNode: boolean;

  constructor(options: LimiterOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#nodeId = options.nodeId ?? randomUUID();
    this.#leaseMs = options.leaseMs ?? 60_000;
    this.#heartbeatMs = options.heartbeatMs ?? 5000;
    this.#sessionTtlMs = options.sessionTtlMs ?? 300_000;
    this.#failover = this.#openShared(options);
    this.#store = this.#failover ?? new MemoryStore();
    this.#taker = new Taker({
      store: this.#store,
      rebuilder: this.#openRebuilder(options),
      mirror: this.#mirror,
      leaseMs: this.#leaseMs,
    });
    this.#context = {
      store: this.#store,
      holds: this.#holds,
      recent: this.#recent,
      log: this.#log,
      sessionIdleMs: options.sessionIdleMs ?? 300_000,
      sessionTtlMs: this.#sessionTtlMs,
      note: (order, standings) => this.#noteSettlement(order, standings),
      takeProvider: (request) => this.#taker.takeProvider(request),
    };
    this.#timers = [setInterval(() => void this.#renew(), options.renewEveryMs ?? 20_000).unref()];
    this.#isNode = options.observer !== true;
    if (!this.#isNode) return;
    this.#timers.push(setInterval(() => void this.#beat(), this.#heartbeatMs).unref());
    void this.#beat();
  }

  #openShared({ redis, clock, log, redisTimeoutMs, observer }: LimiterOptions): FailoverStore | undefined {
    if (redis === undefined) return undefined;
    return new FailoverStore({
      shared: new RedisStore(redis),
      holds: this.#holds,
      recent: this.#recent,
      clock,
      log,
      nodeId: this.#nodeId,
      timeoutMs: redisTimeoutMs ?? 80,
      leaseMs: this.#leaseMs,
      // One that only looks says of itself that it has left.
      heartbeatMs: observer === true ? 0 : this.#heartbeatMs,
      mostJournaled: MOST_JOURNALED,
      reconnect: () => redis.disconnect(true),
    });
  }

  #openRebuilder({ warm, warmTimeoutMs }: LimiterOptions): Rebuilder {
    return new Rebuilder({
      store: this.#store,
      mirror: this.#mirror,
      holds: this.#holds,
      recent: this.#recent,
      leaseMs: this.#leaseMs,
      warm,
      log: this.#log,
      isLocal: () => this.mode === 'local',
      warmTimeoutMs: warmTimeoutMs ?? 2000,
    });
  }

  get mode(): Mode | 'single' {
    return this.#failover?.mode ?? 'single';
  }

  get nodes(): number {
    return this.#failover?.nodes ?? 1;
  }

  get journaled(): number {
    return this.#failover?.journaled ?? 0;
  }

  get requestsInFlight(): number {
    return this.#holds.size;
  }

  onModeChange(listener: (mode: Mode) => void): () => void {
    return this.#failover?.onModeChange(listener) ?? (() => {});
  }

  async reserve(request: ReserveRequest): Promise<ReserveResult> {
    const { recordId, now, key, session, provider } = request;
    const calendar = calendarOf(request.timeZone);
    const member = session === undefined ? '' : sessionMember(key.id, session.id);
    // Both at once, with the session that is likely.
    const entering = provider && this.#enter({ recordId, member, provider, now, calendar });
    const answer = await this.#takeUser(request, member, calendar);
    let entered = await entering;
    if (answer.status === 'refused') {
      if (provider !== undefined) await this.#giveBack(entered?.hold, provider, now, calendar);
      return { ok: false, refusal: answer.refusal };
    }
    if (answer.alternative && provider !== undefined && entered?.hold !== undefined && entered.hold.member !== '') {
      await this.#giveBack(entered.hold, provider, now, calendar);
      entered = await this.#enter({ recordId, member: answer.hold.member, provider, now, calendar });
    }
    const hold = this.#hold(request, answer, calendar);
    if (entered?.hold !== undefined && provider !== undefined) hold.adopt(provider, entered.hold);
    return { ok: true, hold, provider: entered?.answer };
  }

  #hold({ key, user, session, now }: ReserveRequest, answer: Taken, calendar: Calendar): RequestHold {
    return new RequestHold(this.#context, {
      order: answer.hold,
      subjects: [key, user],
      startedAt: now,
      calendar,
      grantedNanos: key.hard === true || user.hard === true ? answer.hold.granted : undefined,
      session: session && {
        id: answer.alternative ? (session.alternativeId ?? session.id) : session.id,
        alternative: answer.alternative,
        sequence: answer.sequence,
        boundProvider: answer.boundProvider === 0 ? undefined : answer.boundProvider,
      },
    });
  }

  #takeUser(request: ReserveRequest, member: string, calendar: Calendar): Promise<TakeAnswer> {
    const { recordId, now, key, user, session, estimateNanos = 0n, minimumNanos = estimateNanos } = request;
    const alternative = session?.alternativeId;
    const wanted = {
      slot: userSlot(user.id),
      recordId,
      estimate: estimateNanos,
      minimum: minimumNanos,
      rpm: countLimitOf(user.rpm),
      session: session && { member, alternative: alternative === undefined ? undefined : sessionMember(key.id, alternative) },
      sessionTtlMs: this.#sessionTtlMs,
    };
    return this.#taker.take(wanted, [key, user], now, calendar);
  }

  async #enter(request: ProviderRequest): Promise<Entered> {
    const { provider, recordId } = request;
    if (!isLimitedProvider(provider)) return { answer: { ok: true }, hold: unlimitedProviderHold(recordId, provider) };
    const answer = await this.#taker.takeProvider(request);
    return answer.ok ? { answer: { ok: true }, hold: answer.hold } : { answer, hold: undefined };
  }

  async #giveBack(hold: HoldOrder | undefined, provider: Subject, now: number, calendar: Calendar): Promise<void> {
    if (hold === undefined || !isLimitedProvider(provider)) return;
    await this.#store.settle(settleOrder(hold, [provider], undefined, { now, calendar }));
  }

  #noteSettlement(order: SettleOrder, standings: readonly (Standing | undefined)[]): void {
    for (const [index, standing] of standings.entries()) {
      const subject = order.subjects[index];
      if (standing === undefined || subject === undefined || !subject.limited) continue;
      const { position } = order;
      this.#mirror.note(order.hold.slot, subject.tag, { standing, position, dayStart: subject.dayStart });
    }
  }

  async peekUser(user: Subject, keys: readonly Subject[], now: number, timeZone: string): Promise<SubjectNow[]> {
    return this.#peek(userSlot(user.id), [user, ...keys], now, timeZone);
  }

  async peekProvider(provider: Subject, now: number, timeZone: string): Promise<SubjectNow> {
    const [answer] = await this.#peek(providerSlot(provider.id), [provider], now, timeZone);
    return answer ?? { subject: provider, sessions: 0, heldNanos: 0n, rpm: undefined, spent: undefined };
  }

  async #peek(slot: string, subjects: readonly Subject[], now: number, timeZone: string): Promise<SubjectNow[]> {
    const calendar = calendarOf(timeZone);
    const answer = await this.#store.peek({
      slot,
      position: positionAt(now, calendar),
      subjects: subjects.map((subject) => ({
        tag: tagOf(subject),
        signature: signatureOf(subject, timeZone),
        dayStart: dayStartOf(subject, now, calendar),
      })),
    });
    return subjects.map(({ kind, id, rules }, index) => {
      const seen = answer.subjects[index];
      return {
        subject: { kind, id },
        sessions: seen?.sessions ?? 0,
        heldNanos: seen?.held ?? 0n,
        rpm: kind === 'user' ? answer.rpm : undefined,
        spent: hasSpendLimit(rules) ? seen?.spent : undefined,
      };
    });
  }

  recentRefusal(providerId: number, now: number): Refusal | undefined {
    return this.#taker.recentRefusal(providerId, now);
  }

  async bind(
    { userId, keyId, sessionId }: SessionRef,
    { providerId, rule, ttlMs }: { providerId: number; rule: 'absent' | 'overwrite'; ttlMs?: number },
  ): Promise<void> {
    const binding = { providerId, rule, ttlMs: ttlMs ?? this.#sessionTtlMs };
    await this.#store.bind(userSlot(userId), sessionMember(keyId, sessionId), binding, this.#clock.now());
  }

  async terminate({ userId, keyId, sessionId }: SessionRef): Promise<void> {
    await this.#store.terminate(userSlot(userId), sessionMember(keyId, sessionId));
  }

  async forget(subject: Parameters<Limiter['forget']>[0]): Promise<void> {
    const slot =
      subject.kind === 'provider' ? providerSlot(subject.id) : userSlot(subject.kind === 'key' ? subject.userId : subject.id);
    await this.#store.forget(slot, tagOf(subject));
  }

  async #renew(): Promise<void> {
    const now = this.#clock.now();
    const until = now + this.#leaseMs;
    const renewals = this.#holds.slots().map((slot) => this.#store.renew(slot, this.#holds.ofSlot(slot), now, until));
    const failed = (await Promise.allSettled(renewals)).filter(({ status }) => status === 'rejected');
    if (failed.length > 0) this.#log.warn({ slots: failed.length }, 'holds could not be renewed');
  }

  async #beat(): Promise<void> {
    const now = this.#clock.now();
    await this.#store.heartbeat(this.#nodeId, now, now + 3 * this.#heartbeatMs);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const now = this.#clock.now();
    if (this.#isNode) await this.#store.heartbeat(this.#nodeId, now, now);
    this.#failover?.close();
  }
}
