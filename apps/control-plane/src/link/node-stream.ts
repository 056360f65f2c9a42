import { create, wire } from '@hub/contract';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Logger } from '@hub/service';
import type { NodeRegistry, Refusal } from './node-registry.ts';
import type { Publisher } from './publisher.ts';
import { batches, type Update } from './wire-state.ts';

export type WatchCall = ServerDuplexStream<wire.WatchRequest, wire.WatchResponse>;

/** What one node does about the newest version. */
export type NodeState = 'current' | 'behind' | 'refusing';

export interface NodeStreamOptions {
  readonly publisher: Publisher;
  readonly registry: NodeRegistry;
  readonly log: Logger;
}

/**
 * One node's stream. At most one version is under way at a time: the next one is made when the node has answered, and then
 * holds everything that changed meanwhile, so a slow node costs neither memory nor the others' time.
 */
export class NodeStream {
  readonly #call: WatchCall;
  readonly #options: NodeStreamOptions;
  #hello: wire.Hello | undefined;
  /** What the node serves, as it says. */
  #serving = '';
  /** The version sent and not yet answered. */
  #outstanding: string | undefined;
  /** The version that the node refused: nothing is sent before there is another one, and then everything. */
  #refused: string | undefined;
  #refusal: Refusal | undefined;
  #sending = false;
  #ended = false;

  constructor(call: WatchCall, options: NodeStreamOptions) {
    this.#call = call;
    this.#options = options;
    call.on('data', (request: wire.WatchRequest) => this.#receive(request));
    call.on('end', () => this.end());
    call.on('error', (error) => options.log.debug({ err: error, node: this.#hello?.nodeId }, 'a data plane\'s stream failed'));
    call.on('close', () => this.#closed());
  }

  get state(): NodeState {
    if (this.#refused !== undefined) return 'refusing';
    return this.#serving === this.#options.publisher.version ? 'current' : 'behind';
  }

  /** Sends the newest version, if the node is ready for it. */
  advance(): void {
    const { publisher } = this.#options;
    if (this.#ended || this.#sending || this.#hello === undefined || this.#outstanding !== undefined) return;
    if (publisher.version === this.#serving || publisher.version === this.#refused) return;
    // After a refusal nobody knows what the node holds.
    const update = publisher.updateSince(this.#refused === undefined ? this.#serving : '');
    this.#outstanding = update.version;
    this.#sending = true;
    void this.#send(update).finally(() => {
      this.#sending = false;
      this.advance();
    });
  }

  /** Ends the stream; the node comes back by itself, perhaps to another control plane. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.end();
  }

  #receive({ message }: wire.WatchRequest): void {
    switch (message.case) {
      case 'hello':
        return this.#greet(message.value);
      case 'ack':
        return this.#accepted(message.value.version);
      case 'nack':
        return this.#refuse(message.value);
      case undefined:
        // A newer node says something that this version does not know.
        return;
    }
  }

  #greet(hello: wire.Hello): void {
    const { log, publisher } = this.#options;
    this.#hello = { ...hello, nodeId: printable(hello.nodeId) || 'unnamed' };
    this.#serving = hello.knownVersion;
    log.info({ node: this.#hello.nodeId, software: hello.softwareVersion, known: hello.knownVersion, version: publisher.version }, 'data plane connected');
    this.#report(true);
    this.advance();
    // A node that already has the newest version waits for our word before it calls itself ready.
    if (this.#outstanding === undefined && hello.knownVersion === publisher.version) void this.#write(confirmation(publisher.version));
  }

  #accepted(version: string): void {
    this.#serving = version;
    if (version === this.#outstanding) {
      this.#outstanding = undefined;
      this.#refused = undefined;
      this.#refusal = undefined;
    }
    this.#report(true);
    this.advance();
  }

  #refuse({ version, servingVersion, reason }: wire.Nack): void {
    const { log } = this.#options;
    this.#serving = servingVersion;
    this.#refused = version;
    this.#refusal = { version, reason: printable(reason), at: Date.now() };
    if (version === this.#outstanding) this.#outstanding = undefined;
    log.error({ node: this.#hello?.nodeId, version, servingVersion, reason }, 'a data plane refused a version of the configuration');
    this.#report(true);
    this.advance();
  }

  async #send(update: Update): Promise<void> {
    for (const message of batches(update)) {
      if (!(await this.#write(message))) return;
    }
    const { log } = this.#options;
    log.debug({ node: this.#hello?.nodeId, version: update.version, full: update.full, upserts: update.upserts.length, deletes: update.deletes.length }, 'version sent');
  }

  /** Resolves once the transport has taken the message, so one message per node is in memory; false = the stream is over. */
  #write(message: wire.WatchResponse): Promise<boolean> {
    if (this.#ended || this.#call.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => {
      // A write that a cancelled call swallowed is never called back.
      const gone = (): void => resolve(false);
      this.#call.once('close', gone);
      this.#call.write(message, (error: Error | null | undefined) => {
        this.#call.off('close', gone);
        resolve(error == null);
      });
    });
  }

  #closed(): void {
    this.#ended = true;
    if (this.#hello === undefined) return;
    this.#options.log.info({ node: this.#hello.nodeId }, 'data plane disconnected');
    this.#report(false);
  }

  #report(connected: boolean): void {
    if (this.#hello === undefined) return;
    const { nodeId, softwareVersion } = this.#hello;
    this.#options.registry.report(
      {
        nodeId,
        softwareVersion: printable(softwareVersion),
        servingVersion: printable(this.#serving),
        connected,
        lastRefusal: this.#refusal,
      },
      this,
    );
  }
}

/** A delta that changes nothing. */
function confirmation(version: string): wire.WatchResponse {
  return create(wire.WatchResponseSchema, { version, baseVersion: version, last: true });
}

/** PostgreSQL takes no NUL characters, and nobody wants to read more than this. */
function printable(text: string): string {
  return text.replaceAll('\0', '').slice(0, 2_000);
}
