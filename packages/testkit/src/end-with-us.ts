import type { ChildProcess } from 'node:child_process';

const running = new Set<ChildProcess>();
let listening = false;

/** Kills `child` should this process end first without having stopped it. (Not if this process is itself killed.) */
export function endWithUs(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
  if (listening) return;
  listening = true;
  process.once('exit', () => running.forEach((left) => left.kill('SIGKILL')));
}
