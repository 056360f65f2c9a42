import { afterAll, beforeAll, describe } from 'vitest';
import { budgetsContract } from './contract/budgets.ts';
import { coldContract } from './contract/cold.ts';
import { concurrencyContract } from './contract/concurrency.ts';
import { spendingContract } from './contract/spending.ts';
import type { Backend } from './world.ts';

/** What every place that keeps limits must do: run on memory, on a Redis server and on a Redis Cluster. */
export function limiterContract(name: string, open: () => Promise<Backend>): void {
  describe(name, () => {
    let backend: Backend | undefined;
    const opened = (): Backend => {
      if (backend === undefined) throw new Error('not open yet');
      return backend;
    };
    beforeAll(async () => {
      backend = await open();
    });
    afterAll(() => backend?.close());

    concurrencyContract(opened);
    spendingContract(opened);
    budgetsContract(opened);
    coldContract(opened);
  });
}
