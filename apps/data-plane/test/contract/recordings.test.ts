import { goldenAvailable, startUpstream } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, startGateway } from '../boot.ts';
import { differencesOf } from './recordings/compare.ts';
import { explained } from './recordings/differences.ts';
import { groups, namesOf, recordingOf } from './recordings/recording.ts';
import { play, type Stage } from './recordings/replay.ts';

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

describe.skipIf(!goldenAvailable).each(groups)('%s', (group) => {
  it.each(namesOf(group))('%s', async (name) => {
    const recording = recordingOf(group, name);
    const played = await play(`${group}/${name}`, recording, stage);
    const unexplained = differencesOf(recording, played).filter((line) => explained(`${group}/${name}`, line).length === 0);
    expect(unexplained, unexplained.join('\n')).toEqual([]);
  });
});
