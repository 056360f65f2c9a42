import { readFileSync, writeFileSync } from 'node:fs';

/** What the Linux kernel knows of a process. */

/** The kernel counts for user space in hundredths of a second, whatever its own clock. */
const msPerTick = 10;

/** User and system time of all threads so far. ms */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name may hold blanks; fields are counted from behind it: utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
}

export interface Memory {
  /** Resident now and at most since `resetPeak`. Bytes. */
  readonly resident: number;
  readonly peak: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return { resident: kibibytes('VmRSS') * 1024, peak: kibibytes('VmHWM') * 1024 };
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Time that all cores were busy so far and that the host took away, and how many cores there are. */
export function machine(): { readonly busyMs: number; readonly stolenMs: number; readonly cores: number } {
  const text = readFileSync('/proc/stat', 'utf8');
  const line = /^cpu\s+(.*)$/m.exec(text)?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0, steal = 0] = line.split(/\s+/).map(Number);
  return { busyMs: (user + nice + system + interrupt + softInterrupt) * msPerTick, stolenMs: steal * msPerTick, cores: text.match(/^cpu\d+ /gm)?.length ?? 1 };
}
