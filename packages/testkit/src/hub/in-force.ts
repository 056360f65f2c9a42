import { eventually } from '../eventually.ts';
import type { TestDatabase } from '../postgres.ts';
import type { PlaneProcess } from './plane-process.ts';

/**
 * Waits until every running data plane serves the newest configuration in the database. Which version a node serves is
 * in its metrics (any metric with the label `version`), or else in `hub_node`, which is written less often.
 */
export async function waitUntilInForce(database: TestDatabase, dataPlanes: readonly PlaneProcess[]): Promise<void> {
  let newest = '';
  let behind: readonly PlaneProcess[] = dataPlanes.filter((plane) => plane.running);
  await eventually(
    () => `version ${newest} to be in force on ${behind.map((plane) => plane.name).join(', ')}\n${behind[0]?.logs.slice(-10).join('\n') ?? ''}`,
    async () => {
      newest = await newestVersion(database);
      const serving = await Promise.all(behind.map((plane) => serves(database, plane, newest)));
      behind = behind.filter((_, index) => serving[index] !== true);
      return behind.length === 0 ? true : undefined;
    },
    // Well under a second is promised, on a machine that is not busy with other suites.
    { timeoutMs: 30_000, intervalMs: 20 },
  );
}

/** `<instance>:<revision>`, with which the control plane's name of the version begins. */
async function newestVersion(database: TestDatabase): Promise<string> {
  const [row] = await database.query(`
    SELECT (SELECT instance_id::text FROM hub_meta) AS instance,
           coalesce((SELECT max(revision) FROM hub_config_change), 0) AS revision`);
  return `${String(row?.['instance'])}:${String(row?.['revision'])}`;
}

async function serves(database: TestDatabase, plane: PlaneProcess, version: string): Promise<boolean> {
  const metrics = await fetch(`http://127.0.0.1:${plane.ports['ops']}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  // Behind the revision a version may say more about its content.
  if (metrics.includes(`version="${version}"`) || metrics.includes(`version="${version}:`)) return true;
  // Its workers are nodes of their own, `<name>/<number>`. What was said in an earlier life does not count.
  const nodes = await database.query(
    `SELECT serving_version = $2 OR starts_with(serving_version, $2 || ':') AS serves FROM hub_node
     WHERE (node_id = $1 OR starts_with(node_id, $1 || '/')) AND last_seen >= $3`,
    [plane.name, version, new Date(plane.startedAt)],
  );
  return nodes.length > 0 && nodes.every((node) => node['serves'] === true);
}
