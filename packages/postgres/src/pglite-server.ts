import { timingSafeEqual } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import type { PGlite } from '@electric-sql/pglite';
import { firstLine } from './errors.ts';
import type { Log } from './log.ts';
import { MessageBuffer, fatalError, greeting, openingOf, passwordRequest, queryMessage, syncMessage } from './wire-messages.ts';

/** Where to listen: a Unix socket, or loopback TCP with a password. */
export type Address = { path: string } | { port: number; password: string };

/** Settings every connection hears of; drivers refuse or misread without some of them. */
const constantParameters = {
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
  in_hot_standby: 'off',
};

interface Connection {
  id: number;
  socket: Socket;
  state: 'opening' | 'password' | 'open' | 'closed';
  received: MessageBuffer;
  /** In line for its turn. */
  waiting: boolean;
}

/**
 * Lets several processes talk to the one session of a PGlite.
 *
 * Connections take turns: a turn begins with a batch of messages and lasts until the session is idle again, so a
 * transaction is never interleaved with somebody else's statements. Notifications reach every connection. What belongs
 * to a session is shared, though: session-level advisory locks exclude nobody and SET (without LOCAL) is seen by all.
 */
export async function servePglite(database: PGlite, address: Address, log: Log): Promise<PgliteServer> {
  const { rows } = await database.query<{ server_version: string }>('SHOW server_version');
  const server = new PgliteServer(database, { ...constantParameters, server_version: rows[0]?.server_version ?? '18' }, address, log);
  await server.listen();
  return server;
}

export class PgliteServer {
  readonly #database: PGlite;
  readonly #parameters: Readonly<Record<string, string>>;
  readonly #address: Address;
  readonly #log: Log;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #line: Connection[] = [];
  /** Whose turn it is, also between two of its batches. */
  #turn: Connection | null = null;
  #running = false;
  #lastId = 0;

  constructor(database: PGlite, parameters: Readonly<Record<string, string>>, address: Address, log: Log) {
    this.#database = database;
    this.#parameters = parameters;
    this.#address = address;
    this.#log = log;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(): Promise<void> {
    const address = this.#address;
    // Left by a process that was killed; the launcher's lock says that nobody is listening on it.
    if ('path' in address) rmSync(address.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      if ('path' in address) this.#server.listen(address.path, resolve);
      else this.#server.listen(address.port, '127.0.0.1', resolve);
    });
  }

  /** The TCP port, which differs from the wanted one if that was 0; null on a Unix socket. */
  get port(): number | null {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : null;
  }

  /** Ends all connections; what runs is finished first. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.socket.destroy();
    await closed;
    // The query that is running can't be interrupted; it has to be over before the database is closed.
    await this.#database.runExclusive(async () => undefined);
  }

  #accept(socket: Socket): void {
    const connection: Connection = { id: ++this.#lastId, socket, state: 'opening', received: new MessageBuffer(), waiting: false };
    this.#connections.add(connection);
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(connection, bytes));
    socket.on('error', (error) => this.#log.debug(`pglite: connection ${connection.id}: ${error.message}`));
    socket.on('close', () => this.#leave(connection));
  }

  #receive(connection: Connection, bytes: Buffer): void {
    connection.received.append(bytes);
    try {
      while (connection.state === 'opening' && this.#open(connection));
      if (connection.state === 'password') this.#checkPassword(connection);
    } catch (error) {
      this.#refuse(connection, '08P01', firstLine(error));
    }
    if (connection.state === 'open') this.#queue(connection);
  }

  /** @returns whether there may be another message to look at */
  #open(connection: Connection): boolean {
    const message = connection.received.takeUntyped();
    if (message === null) return false;
    switch (openingOf(message)) {
      case 'encryption':
        connection.socket.write('N');
        return true;
      case 'startup':
        if ('password' in this.#address) {
          connection.state = 'password';
          connection.socket.write(passwordRequest);
        } else this.#greet(connection);
        return false;
      case 'cancel':
        // The query that it means runs on this very thread: by the time this is read, it is over.
        connection.socket.destroy();
        return false;
      case 'unknown':
        throw new Error('unsupported protocol');
    }
  }

  #checkPassword(connection: Connection): void {
    const message = connection.received.take();
    if (message === null || !('password' in this.#address)) return;
    const given = message.subarray(5, -1);
    const wanted = Buffer.from(this.#address.password);
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) this.#greet(connection);
    else this.#refuse(connection, '28P01', 'password authentication failed');
  }

  #greet(connection: Connection): void {
    connection.state = 'open';
    connection.socket.write(greeting(this.#parameters, connection.id));
  }

  #refuse(connection: Connection, code: string, reason: string): void {
    connection.state = 'closed';
    connection.socket.end(fatalError(code, reason));
  }

  #leave(connection: Connection): void {
    connection.state = 'closed';
    this.#connections.delete(connection);
    if (this.#turn === connection) this.#queue(connection);
  }

  #queue(connection: Connection): void {
    if (connection !== this.#turn && !connection.waiting) {
      connection.waiting = true;
      this.#line.push(connection);
    }
    if (!this.#running) void this.#run();
  }

  /** Never rejects. Returns when there is nothing that can be run. */
  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      const connection = this.#turn ?? this.#line.shift();
      if (connection === undefined) break;
      connection.waiting = false;
      if (connection.state === 'closed') {
        await this.#endTurn(connection);
        continue;
      }
      const batch = this.#nextBatch(connection);
      if (batch === null) {
        if (this.#turn === connection) break;
        continue;
      }
      this.#turn = connection;
      if (await this.#execute(connection, batch)) {
        this.#turn = null;
        // It may have sent more already; that waits behind what the others have sent meanwhile.
        this.#queue(connection);
      }
    }
    this.#running = false;
  }

  /** Null when nothing can be run for it now, which includes that it says goodbye or nonsense. */
  #nextBatch(connection: Connection): Buffer | null {
    try {
      const batch = connection.received.takeBatch();
      if (batch === null || batch[0] !== 'X'.charCodeAt(0)) return batch;
      connection.state = 'closed';
      connection.socket.end();
    } catch (error) {
      this.#refuse(connection, '08P01', firstLine(error));
    }
    return null;
  }

  /** Brings the session back to rest after a client that left in the middle of something. */
  async #endTurn(connection: Connection): Promise<void> {
    if (this.#turn !== connection) return;
    await this.#execute(connection, Buffer.concat([syncMessage, queryMessage('ROLLBACK')]));
    this.#turn = null;
  }

  /** @returns whether the session is idle: nothing pending and in no transaction */
  async #execute(connection: Connection, batch: Buffer): Promise<boolean> {
    const answer = new MessageBuffer();
    let idle = false;
    const forward = (): void => {
      for (let message = answer.take(); message !== null; message = answer.take()) {
        const type = String.fromCharCode(message[0] ?? 0);
        if (type === 'Z') idle = message[5] === 'I'.charCodeAt(0);
        if (type === 'A') this.#broadcast(message);
        else if (connection.socket.writable) connection.socket.write(message);
      }
    };
    try {
      await this.#database.runExclusive(() =>
        this.#database.execProtocolRawStream(new Uint8Array(batch), {
          onRawData: (bytes) => {
            answer.append(bytes);
            forward();
          },
        }),
      );
      return idle;
    } catch (error) {
      this.#log.error(`pglite failed on a query: ${firstLine(error)}`);
      this.#refuse(connection, 'XX000', 'the embedded database failed on this query');
      return true;
    }
  }

  /** The session can't tell which of its clients asked to LISTEN; drivers skip what they have no handler for. */
  #broadcast(notification: Buffer): void {
    for (const { state, socket } of this.#connections) if (state === 'open' && socket.writable) socket.write(notification);
  }
}
