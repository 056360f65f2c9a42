import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { PlaneProcess } from '../src/index.ts';

const started: PlaneProcess[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((left) => left.kill()));
});

function plane(env: Record<string, string> = {}): PlaneProcess {
  const made = new PlaneProcess({
    name: 'fixture',
    entry: fileURLToPath(new URL('fixtures/plane.mjs', import.meta.url)),
    cwd: tmpdir(),
    env,
    portVariables: { http: 'PLANE_PORT' },
  });
  started.push(made);
  return made;
}

async function ask(made: PlaneProcess): Promise<{ pid: number; env: Record<string, string> }> {
  const answer = await fetch(`http://127.0.0.1:${made.ports['http']}`);
  return (await answer.json()) as { pid: number; env: Record<string, string> };
}

it('keeps its port over a death', async () => {
  const made = plane();
  await made.start();
  const { http } = made.ports;
  const before = await ask(made);
  expect(await made.kill()).toBe('SIGKILL');
  expect(made.running).toBe(false);
  await expect(ask(made)).rejects.toThrow();
  await made.restart();
  expect(made.ports).toEqual({ http });
  expect((await ask(made)).pid).not.toBe(before.pid);
  expect(await made.stop()).toBe(0);
  expect(made.logs).toEqual(['up', 'up']);
});

it('is stopped the hard way when it is frozen', async () => {
  const made = plane();
  await made.start();
  made.freeze();
  expect(await made.stop(50)).toBe('SIGKILL');
});

it('sees nothing of the tests own environment', async () => {
  process.env['DATABASE_URL'] = 'postgresql://somebody-elses';
  try {
    const made = plane({ GIVEN: 'yes' });
    await made.start();
    const { env } = await ask(made);
    expect(env['GIVEN']).toBe('yes');
    expect(env).not.toHaveProperty('DATABASE_URL');
  } finally {
    delete process.env['DATABASE_URL'];
  }
});

it.each([
  ['the plane says why', { FAIL: 'no such database' }, /did not start: no such database/],
  ['the plane just ends', { CRASH: 'out of luck' }, /ended \(3\) before it was ready\nout of luck/],
])('rejects when %s', async (_case, env, message) => {
  await expect(plane(env).start()).rejects.toThrow(message);
});
