import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Terminal } from '../src/terminal.ts';

/** A temporary folder that goes away with the test. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hub-standalone-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program of a few lines, to be run as a child process. */
export function scratchScript(source: string): string {
  const path = join(scratchFolder(), 'script.mjs');
  writeFileSync(path, source);
  return path;
}

export interface RecordingTerminal extends Terminal {
  readonly notes: string[];
  readonly printed: string[];
}

export function recordingTerminal(): RecordingTerminal {
  const notes: string[] = [];
  const printed: string[] = [];
  return { notes, printed, note: (line) => notes.push(line), print: (text) => printed.push(text) };
}
