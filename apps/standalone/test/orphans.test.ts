import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { openDataFolder } from '../src/data-folder.ts';
import { endOrphans, noteProcesses } from '../src/orphans.ts';
import { recordingTerminal, scratchFolder, scratchScript } from './scratch.ts';

async function start(source: string): Promise<{ child: ChildProcess; pid: number; script: string }> {
  const script = scratchScript(`${source}; process.send('up');`);
  const child = fork(script, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'message');
  return { child, pid: child.pid ?? 0, script };
}

const stubborn = `setInterval(() => undefined, 1000); process.on('SIGTERM', () => undefined)`;

it('waits for a process that ends by itself', async () => {
  const folder = openDataFolder(scratchFolder());
  const { child, pid, script } = await start(`process.on('disconnect', () => process.exit(7))`);
  noteProcesses(folder, [{ pid, script }]);
  const ended = once(child, 'exit');
  const waiting = endOrphans(folder, recordingTerminal());
  child.disconnect();
  await waiting;
  expect(await ended).toEqual([7, null]);
});

it('ends one that does not', async () => {
  const folder = openDataFolder(scratchFolder());
  const { child, pid, script } = await start(stubborn);
  noteProcesses(folder, [{ pid, script }]);
  const ended = once(child, 'exit');
  const terminal = recordingTerminal();
  await endOrphans(folder, terminal, 200);
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(terminal.notes).toEqual([`waiting for processes of the last run to end (${pid})`]);
});

it('leaves a process alone that only has the number of an old one', async () => {
  const folder = openDataFolder(scratchFolder());
  const { child, pid } = await start(stubborn);
  noteProcesses(folder, [{ pid, script: '/somewhere/else/main.js' }]);
  const terminal = recordingTerminal();
  await endOrphans(folder, terminal);
  expect(child.exitCode ?? child.signalCode).toBeNull();
  expect(terminal.notes).toEqual([]);
});
