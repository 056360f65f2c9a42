import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from './end-with-us.ts';
import { childEnvironment, findProgram } from './env.ts';
import { freePort } from './free-port.ts';

export const redisProgram = findProgram('redis-server');

/** One redis-server of our own: loopback, a port that stays the same over restarts, nothing on disk survives `stop`. */
export class RedisProcess {
  readonly port: number;
  /** Where cluster nodes talk to each other; 0 for a single server. */
  readonly busPort: number;
  readonly #folder: string;
  #child: ChildProcess;

  private constructor(place: Place, child: ChildProcess) {
    this.port = place.port;
    this.busPort = place.busPort;
    this.#folder = place.folder;
    this.#child = child;
  }

  /** @param cluster as a cluster node that knows no others yet */
  static async start(cluster: boolean): Promise<RedisProcess> {
    for (let attempt = 1; ; attempt += 1) {
      const folder = mkdtempSync(join(tmpdir(), 'hub-test-redis-'));
      const place = { port: await freePort(), busPort: cluster ? await freePort() : 0, folder };
      try {
        return new RedisProcess(place, await launch(place));
      } catch (error) {
        rmSync(folder, { recursive: true, force: true });
        if (attempt === 5) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Stops the process where it stands (SIGSTOP): connections stay open, nothing is answered. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL; settles when it is gone. The port refuses connections until `start`. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  /** After `kill`: an empty server on the same port. */
  async start(): Promise<void> {
    await this.kill();
    this.#child = await launch({ port: this.port, busPort: this.busPort, folder: this.#folder });
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Place {
  readonly port: number;
  readonly busPort: number;
  readonly folder: string;
}

async function launch({ port, busPort, folder }: Place): Promise<ChildProcess> {
  if (redisProgram === undefined) throw new Error('redis-server is not installed (apt-get install redis-server)');
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'];
  const child = spawn(redisProgram, busPort === 0 ? fixed : [...fixed, ...cluster], { env: childEnvironment({}), stdio: ['ignore', 'pipe', 'pipe'] });
  endWithUs(child);
  await new Promise<void>((resolve, reject) => {
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('Ready to accept connections')) resolve();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output.slice(-500)}`)));
  });
  // From here on its words are of no use, but the pipes must not fill up.
  child.stdout.removeAllListeners('data').resume();
  child.stderr.removeAllListeners('data').resume();
  child.unref();
  return child;
}
