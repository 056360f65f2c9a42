import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockFolder } from '../src/lock.ts';
import { scratchFolder, scratchScript } from './scratch.ts';

it('lets one launcher in at a time, and names it to the other', async () => {
  const folder = scratchFolder();
  const release = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(new RegExp(`already running on .* \\(process ${process.pid}\\)`));
  await release();
  await (await lockFolder(folder))();
});

it('takes over from a launcher that was killed', async () => {
  const folder = scratchFolder();
  const holder = fork(
    scratchScript(`
      import { createServer } from 'node:net';
      createServer(() => undefined).listen(process.argv[2], () => process.send('held'));
    `),
    [join(folder, 'launcher.sock')],
  );
  await once(holder, 'message');
  const ended = once(holder, 'exit');
  holder.kill('SIGKILL');
  await ended;
  await (await lockFolder(folder))();
});

it('works in a folder whose path is too long for a socket', async () => {
  const folder = join(scratchFolder(), 'x'.repeat(120));
  mkdirSync(folder);
  const release = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toThrow(/already running/);
  await release();
});
