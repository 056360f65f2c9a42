import { createServer } from 'node:http';
import { announcePort } from '../announce-port.ts';
import { arrivals, closeAll, openAll, saturate, sequence } from './drivers.ts';
import type { Job, Measured, Reply } from './job.ts';

/** The load generator: a process of its own that does one job at a time. */

function run(job: Job): Promise<Measured> {
  switch (job.kind) {
    case 'saturate':
      return saturate(job);
    case 'arrivals':
      return arrivals(job);
    case 'sequence':
      return sequence(job);
    case 'open':
      return openAll(job);
    case 'close':
      return closeAll();
  }
}

process.on('message', (job: Job) => {
  run(job).then(
    (measured) => process.send?.({ kind: 'measured', measured } satisfies Reply),
    (error: unknown) => process.send?.({ kind: 'failed', message: String(error) } satisfies Reply),
  );
});

// Nothing is served there; it is how every process of the bench says that it is ready.
await announcePort(createServer());
