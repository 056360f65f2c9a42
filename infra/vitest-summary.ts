import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

interface Summary {
  passed: number;
  failed: number;
  skipped: number;
  /** Files with tests that did not run, and how many. */
  leftOut: { file: string; tests: number }[];
}

/** Writes what became of the tests to a file, for whoever started the run (infra/tools/run.mjs). */
export class SummaryReporter implements Reporter {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const summary: Summary = { passed: 0, failed: unhandledErrors.length, skipped: 0, leftOut: [] };
    for (const module of modules) {
      // A file that could not be loaded has no tests and would count as nothing.
      if (module.errors().length > 0) summary.failed++;
      let skipped = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') summary.passed++;
        else if (state === 'failed') summary.failed++;
        else skipped++;
      }
      summary.skipped += skipped;
      if (skipped > 0) summary.leftOut.push({ file: relative(process.cwd(), module.moduleId), tests: skipped });
    }
    writeFileSync(this.#path, JSON.stringify(summary));
  }
}
