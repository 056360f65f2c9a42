import { defineConfig } from 'vitest/config';
import { SummaryReporter } from './vitest-summary.ts';

const summary = process.env['HUB_TEST_SUMMARY'];

/** One run over every package and app. Integration suites start real servers, so files get time and few neighbours. */
export default defineConfig({
  test: {
    include: ['{apps,packages}/*/{src,test}/**/*.test.ts', 'infra/test/**/*.test.ts'],
    exclude: ['**/dist/**', '**/node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A busy machine takes longer than the usual second; what never comes still fails.
    expect: { poll: { timeout: 15_000 } },
    maxWorkers: 2,
    pool: 'forks',
    reporters: ['default', ...(summary === undefined ? [] : [new SummaryReporter(summary)])],
  },
});
