import { utf8Length } from './bytes.ts';
import type { Dialect } from './dialect.ts';
import { asText } from './json.ts';
import type { UpstreamError } from './errors.ts';
import { UsageCollector } from './usage.ts';
import type { Usage } from './usage.ts';

/** What has been learned from an answer so far. The readers of the dialects write it, a watcher shows it. */
export class Notes {
  readonly dialect: Dialect;
  readonly #usage: UsageCollector;
  usageFinal = false;
  contentSeen = false;
  finished = false;
  error: UpstreamError | undefined;
  model: string | undefined;
  promptCacheKey: string | undefined;
  responseId: string | undefined;
  serviceTier: string | undefined;
  /** Responses: number of the last event that was parsed, for an event that has to follow it. */
  sequenceNumber: number | undefined;
  textBytes = 0;
  /** How many texts were added, and the last one. */
  texts = 0;
  lastText = '';
  /** Anthropic: a stop reason was given, so the coming end is a legal one. */
  stopReasonSeen = false;

  constructor(dialect: Dialect) {
    this.dialect = dialect;
    this.#usage = new UsageCollector(dialect);
  }

  get usage(): Usage | undefined {
    return this.#usage.usage;
  }

  /** Takes in a payload's usage; true if it has some. */
  addUsage(payload: unknown): boolean {
    return this.#usage.add(payload);
  }

  /** Output text of any kind; a text that is not empty is content. */
  addText(text: unknown): void {
    if (typeof text !== 'string' || text === '') return;
    this.contentSeen = true;
    this.textBytes += utf8Length(text);
    this.texts += 1;
    this.lastText = text;
  }

  /** The first value stays: later events repeat it or, with some relays, blank it. */
  identify(model: unknown, responseId: unknown): void {
    this.model ??= asText(model);
    this.responseId ??= asText(responseId);
  }

  /** The tier asked for may be announced first; the one that served comes later. */
  addServiceTier(tier: unknown): void {
    this.serviceTier = asText(tier) ?? this.serviceTier;
  }
}
