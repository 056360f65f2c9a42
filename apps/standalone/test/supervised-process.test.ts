import { systemClock } from '@hub/service';
import { expect, it, onTestFinished, vi } from 'vitest';
import { SupervisedProcess } from '../src/supervised-process.ts';
import { type RecordingTerminal, recordingTerminal, scratchScript } from './scratch.ts';

interface Rig {
  readonly process: SupervisedProcess;
  readonly terminal: RecordingTerminal;
  readonly givenUp: Promise<string>;
  /** The ports that each start was given. */
  readonly given: (object | undefined)[];
}

function rig(source: string): Rig {
  const terminal = recordingTerminal();
  const given: (object | undefined)[] = [];
  let giveUp: (reason: string) => void;
  const givenUp = new Promise<string>((resolve) => (giveUp = resolve));
  const process = new SupervisedProcess(
    {
      title: 'the fake plane',
      script: scratchScript(source),
      environment(last) {
        given.push(last);
        return {};
      },
    },
    { terminal, clock: systemClock, stopWithinMs: 500, onPid: () => undefined, onGivenUp: (reason) => giveUp(reason) },
  );
  onTestFinished(() => process.kill());
  return { process, terminal, givenUp, given };
}

const ready = `process.send({ type: 'ready', plane: 'fake', ports: { http: 4711 } }); setInterval(() => undefined, 1000);`;

it('serves when it says so, and ends when it is told to', async () => {
  const { process, terminal } = rig(`process.on('SIGTERM', () => process.exit(0)); ${ready}`);
  expect(await process.start()).toEqual({ http: 4711 });
  await process.stop();
  expect(terminal.notes).toEqual([]);
});

it('ends one that does not listen', async () => {
  const { process } = rig(`process.on('SIGTERM', () => undefined); ${ready}`);
  await process.start();
  await process.stop();
});

it('is in a process group of its own, out of reach of the terminal\'s Ctrl-C', async () => {
  const { process: plane } = rig(ready);
  await plane.start();
  // Signals the group that the plane leads: there is none of that number if it is in ours.
  expect(() => process.kill(-(plane.pid ?? 0), 0)).not.toThrow();
});

it('passes on why it could not start', async () => {
  const { process } = rig(`process.send({ type: 'failed', plane: 'fake', message: 'no ports left' }, () => process.exit(1));`);
  await expect(process.start()).rejects.toMatchObject({ message: 'no ports left', alreadySaid: true });
});

it('says so when it ends without a word', async () => {
  const { process } = rig('process.exit(3);');
  await expect(process.start()).rejects.toMatchObject({ message: 'the fake plane ended before it served (exit code 3)', alreadySaid: false });
});

it('starts it again when it dies, on the same ports', async () => {
  const { process: plane, terminal, given } = rig(`process.on('SIGTERM', () => process.exit(0)); ${ready}`);
  await plane.start();
  const first = plane.pid ?? 0;
  process.kill(first, 'SIGKILL');
  await vi.waitUntil(() => plane.pid !== first, { timeout: 10_000, interval: 20 });
  expect(terminal.notes).toEqual(['the fake plane ended unexpectedly (SIGKILL); starting it again']);
  expect(given).toEqual([undefined, { http: 4711 }]);
});

it('gives up after five quick deaths', async () => {
  const { process, givenUp, terminal } = rig(`process.send({ type: 'ready', plane: 'fake', ports: {} }, () => process.exit(1));`);
  await process.start();
  expect(await givenUp).toBe('the fake plane ended 5 times in a row within seconds (the last time: exit code 1); its messages are above');
  expect(terminal.notes).toHaveLength(4);
});
