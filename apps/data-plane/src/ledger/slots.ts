import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@hub/service';

/**
 * Several processes may share one data folder (workers, two data planes on a machine): each takes a slot of its own, and
 * takes over what slots of dead processes have left.
 */
export interface Slot {
  readonly index: number;
  readonly directory: string;
  release(): void;
}

const maxSlots = 1024;

/** @throws if the folder cannot be written */
export function claimSlot(root: string, log: Logger): Slot {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (let index = 0; index < maxSlots; index++) {
    const directory = join(root, String(index));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!claim(directory)) continue;
    adoptOrphans(root, index, directory, log);
    return { index, directory, release: () => rmSync(join(directory, 'owner'), { force: true }) };
  }
  throw new Error(`${root}: all ${maxSlots} ledger slots are in use`);
}

function claim(directory: string): boolean {
  const file = join(directory, 'owner');
  const mine = `${process.pid} ${startMark(process.pid) ?? ''}`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, mine, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (isAlive(readOwner(file))) return false;
    // Renaming is atomic: of two processes that find the same dead owner, one moves the file away and the other finds none.
    try {
      renameSync(file, `${file}.${process.pid}.dead`);
      rmSync(`${file}.${process.pid}.dead`, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return false;
}

function readOwner(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function isAlive(owner: string): boolean {
  const [pidText = '', mark = ''] = owner.split(' ');
  const pid = Number(pidText);
  // Our own number in somebody else's claim: a container that was started again.
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = startMark(pid);
  return now === undefined || mark === '' || now === mark;
}

/** When the process started, in the kernel's ticks, so that a number that was given out again is not taken for the old process. */
function startMark(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Moves the files of dead slots behind our own, so that they are delivered too. */
function adoptOrphans(root: string, own: number, directory: string, log: Logger): void {
  for (const entry of readdirSync(root)) {
    if (entry === String(own) || !/^\d+$/.test(entry)) continue;
    const orphan = join(root, entry);
    if (!claim(orphan)) continue;
    const files = readdirSync(orphan).filter((file) => /^\d{10}\.log$/.test(file)).sort();
    for (const file of files) renameSync(join(orphan, file), join(directory, nextName(directory)));
    if (files.length > 0) log.info({ slot: entry, files: files.length }, 'took over the ledger of a process that is gone');
    rmSync(join(orphan, 'owner'), { force: true });
  }
}

function nextName(directory: string): string {
  const numbers = readdirSync(directory).filter((file) => /^\d{10}\.log$/.test(file)).map((file) => Number.parseInt(file, 10));
  return `${String(Math.max(0, ...numbers) + 1).padStart(10, '0')}.log`;
}
