import { Worker } from 'node:worker_threads';

/**
 * Counts tokens in a thread of its own: the vocabulary takes hundreds of ms to load, and a long text several ms to count,
 * which the event loop that relays streams must not feel. The thread is started at the first count and ends when idle.
 */
export interface TokenCounter {
  /** undefined: no answer in time; the caller falls back to a rule of thumb. */
  count(text: string): Promise<number | undefined>;
  close(): Promise<void>;
}

const answerWithinMs = 5000;
const idleMs = 60_000;

export function createTokenCounter(): TokenCounter {
  const waiting = new Map<number, (tokens: number | undefined) => void>();
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let sequence = 0;

  const stop = async (): Promise<void> => {
    const stopping = worker;
    worker = undefined;
    clearTimeout(idle);
    for (const [id] of waiting) settle(id, undefined);
    await stopping?.terminate();
  };
  const settle = (id: number, tokens: number | undefined): void => {
    waiting.get(id)?.(tokens);
    waiting.delete(id);
  };
  const running = (): Worker => {
    clearTimeout(idle);
    idle = setTimeout(() => void stop(), idleMs);
    idle.unref();
    if (worker !== undefined) return worker;
    // Beside this file both in src (a test runs it there) and in dist.
    const file = new URL(import.meta.url.endsWith('.ts') ? '../../dist/tokens/count-thread.js' : './count-thread.js', import.meta.url);
    worker = new Worker(file);
    worker.unref();
    worker.on('message', ({ id, tokens }: { id: number; tokens: number }) => settle(id, tokens));
    worker.on('error', () => void stop());
    return worker;
  };
  return {
    count(text) {
      const id = ++sequence;
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(id, undefined), answerWithinMs);
        waiting.set(id, (tokens) => {
          clearTimeout(timer);
          resolve(tokens);
        });
        running().postMessage({ id, text });
      });
    },
    close: stop,
  };
}
