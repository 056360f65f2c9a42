import { readFileSync } from 'node:fs';
import { goldenAvailable, startUpstream } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, startGateway } from '../boot.ts';
import { differencesOf } from './recordings/compare.ts';
import { type Difference, differences, elsewhere, judge } from './recordings/differences.ts';
import { groups, namesOf, recordingOf } from './recordings/recording.ts';
import { play, type Stage } from './recordings/replay.ts';

/** Every recorded request of v0.3.42's proxy through the real front door, compared with what was recorded field by field. */

let stage: Stage;
beforeAll(async () => {
  const controlPlane = await startControlPlane();
  controlPlane.publish([]);
  stage = { upstream: await startUpstream(), controlPlane, hub: await startGateway(controlPlane) };
});
afterAll(async () => {
  await stage.hub.stop();
  await stage.controlPlane.stop();
  await stage.upstream.close();
});

const cases = groups.flatMap((group) => namesOf(group).map((name) => [`${group}/${name}`, group, name] as const));
const reasonElsewhere = (caseName: string) => elsewhere.find((entry) => entry.cases.test(caseName))?.why;
const replayed = cases.filter(([caseName]) => reasonElsewhere(caseName) === undefined);
const used = new Set<Difference>();
let played = 0;

describe.skipIf(!goldenAvailable)('recordings of v0.3.42', () => {
  it.each(replayed)('%s', async (caseName, group, name) => {
    const recording = recordingOf(group, name);
    const lines = differencesOf(recording, await play(caseName, recording, stage));
    const { unexplained, untold } = judge(caseName, lines, used);
    played += 1;
    expect(unexplained, unexplained.join('\n')).toEqual([]);
    expect(untold, `not so any more: ${untold.join(', ')}\n${lines.join('\n')}`).toEqual([]);
  });

  it('leaves out only what belongs to the management API', () => {
    const left = cases.map(([caseName]) => caseName).filter((caseName) => reasonElsewhere(caseName) !== undefined);
    expect(left.length).toBe(8);
  });
});

describe.skipIf(!goldenAvailable)('the table of differences', () => {
  it('has no row that explains nothing', ({ skip }) => {
    if (played < replayed.length) skip('only some recordings were replayed');
    expect(differences.filter((row) => !used.has(row)).map((row) => `${row.why}: ${String(row.cases)}`)).toEqual([]);
    expect(elsewhere.filter((entry) => !cases.some(([caseName]) => entry.cases.test(caseName)))).toEqual([]);
  });

  it('is told in docs/compatibility.md', () => {
    const document = readFileSync(new URL('../../../../docs/compatibility.md', import.meta.url), 'utf8');
    const [, section = ''] = document.split(/^## Proxy$/m);
    const told = section.split(/^## /m)[0] ?? '';
    const untold = [...new Set(differences.map(({ why }) => why))].filter((why) => !told.includes(`\n| ${why} |`));
    expect(untold).toEqual([]);
  });
});
