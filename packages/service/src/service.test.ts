import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { backoff } from './backoff.ts';
import { createLifecycle } from './lifecycle.ts';
import { maskSecrets, silentLogger } from './log.ts';
import { startOpsServer } from './ops-server.ts';
import { recordId } from './record-id.ts';
import { createSealer, hashKey, isSealed, secretsEqual } from './seal.ts';
import { flag, integer, oneOf, port, readSettings, SettingsError, text } from './settings.ts';

describe('settings', () => {
  const spec = {
    port: port('A_PORT', 8080, ''),
    url: text(['DATABASE_URL', 'DSN'], '', ''),
    on: flag('ON', true, ''),
    level: oneOf('LEVEL', ['info', 'debug'], 'info', ''),
    workers: integer('WORKERS', 1, { min: 1, max: 4 }, ''),
  };

  it('reads, falls back, and takes the first name that is set', () => {
    expect(readSettings(spec, {})).toEqual({ port: 8080, url: '', on: true, level: 'info', workers: 1 });
    expect(readSettings(spec, { DSN: 'b', A_PORT: '0', ON: 'false', LEVEL: 'DEBUG', WORKERS: ' 3 ' })).toEqual({ port: 0, url: 'b', on: false, level: 'debug', workers: 3 });
    expect(readSettings(spec, { DATABASE_URL: 'a', DSN: 'b', A_PORT: '' })).toMatchObject({ url: 'a', port: 8080 });
  });

  it('names every variable that is wrong', () => {
    const read = () => readSettings(spec, { A_PORT: '70000', LEVEL: 'loud', WORKERS: '1.5' });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(/A_PORT must be .*70000[\s\S]*LEVEL must be one of info, debug[\s\S]*WORKERS must be/);
  });
});

describe('sealing', () => {
  const sealer = createSealer('a master key of good length');
  it('opens what it sealed, for the same purpose and key only', () => {
    const sealed = sealer.seal('sk-secret', 'provider-key');
    expect(isSealed(sealed)).toBe(true);
    expect(sealed).not.toContain('sk-secret');
    expect(sealer.open(sealed, 'provider-key')).toBe('sk-secret');
    expect(() => sealer.open(sealed, 'hub-key')).toThrow();
    expect(() => createSealer('another key of good length').open(sealed, 'provider-key')).toThrow();
    expect(() => sealer.open(`${sealed.slice(0, -2)}AA`, 'provider-key')).toThrow();
    expect(sealer.seal('sk-secret', 'provider-key')).not.toBe(sealed);
    expect(sealer.open('plain', 'hub-key')).toBe('plain');
  });
  it('refuses a key that is none', () => expect(() => createSealer('short')).toThrow(/16 characters/));
  it('compares and hashes', () => {
    expect([secretsEqual('a', 'a'), secretsEqual('a', 'b'), secretsEqual('a', 'aa')]).toEqual([true, false, false]);
    expect(hashKey('abc').toString('hex')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});

describe('small parts', () => {
  it('record ids are version 7, unique and in order of time', () => {
    const ids = Array.from({ length: 5000 }, (_, index) => recordId(1_700_000_000_000 + index));
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(ids);
  });

  it('back-off doubles to its cap and starts again', () => {
    const wait = backoff(100, 1000, () => 1);
    expect([wait.next(), wait.next(), wait.next(), wait.next(), wait.next(), wait.next()]).toEqual([100, 200, 400, 800, 1000, 1000]);
    wait.reset();
    expect(wait.next()).toBe(100);
  });

  it('what looks like a key is masked in every log line', () => {
    const line = maskSecrets('{"a":"sk-0123456789abcdef","b":"Bearer abcdefghijk","c":"AIzaSyD-123456789","d":"task-12345678"}');
    expect(line).not.toMatch(/0123456789abcdef|abcdefghijk|SyD-123456789/);
    expect(line).toContain('task-12345678');
  });

  it('a lifecycle closes last in, first out, waits for background work, and stops at its deadline', async () => {
    const order: string[] = [];
    const lifecycle = createLifecycle({ log: silentLogger, deadlineMs: 1000 });
    lifecycle.onClose('first', () => void order.push('first'));
    lifecycle.onClose('second', async () => {
      await Promise.resolve();
      order.push('second');
    });
    lifecycle.onClose('broken', () => {
      throw new Error('scripted');
    });
    lifecycle.background('work', Promise.resolve().then(() => order.push('work')));
    await Promise.all([lifecycle.stop('a'), lifecycle.stop('b')]);
    expect(order).toEqual(['work', 'second', 'first']);
    const stuck = createLifecycle({ log: silentLogger, deadlineMs: 20 });
    stuck.onClose('never', () => new Promise(() => {}));
    await stuck.stop('deadline');
    expect(stuck.stopping).toBe(true);
  });

  it('the ops port says alive, ready or why not, and metrics', async () => {
    let reasons: string[] = ['starting'];
    const ops = await startOpsServer({ host: '127.0.0.1', port: 0, notReady: () => reasons, metrics: new Registry() });
    const get = (path: string) => fetch(`http://127.0.0.1:${ops.port}${path}`);
    expect((await get('/livez')).status).toBe(200);
    expect(await (await get('/readyz')).json()).toEqual({ status: 'not ready', reasons: ['starting'] });
    reasons = [];
    expect((await get('/readyz')).status).toBe(200);
    expect((await get('/metrics')).status).toBe(200);
    expect((await get('/x')).status).toBe(404);
    await ops.close();
  });
});

describe('a process', () => {
  const run = (body: string) =>
    spawn(process.execPath, ['--input-type=module', '-e', `import { createLifecycle, stopOnSignals, silentLogger, failStart } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};${body}`], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });

  it.each(['SIGTERM', 'SIGINT', 'launcher gone'])('ends in order on %s', async (how) => {
    const child = run(`const l = createLifecycle({ log: silentLogger, deadlineMs: 5000 }); l.onClose('x', () => console.log('closed')); stopOnSignals(l); setInterval(() => {}, 1000); process.send('up');`);
    let out = '';
    child.stdout?.on('data', (data) => (out += data));
    await once(child, 'message');
    if (how === 'launcher gone') child.disconnect();
    else child.kill(how as NodeJS.Signals);
    const [code] = await once(child, 'exit');
    expect([code, out.trim()]).toEqual([0, 'closed']);
  });

  it('a failed start is one clear line and exit code 1', async () => {
    const child = run(`failStart('plane', Object.assign(new Error('listen'), { code: 'EADDRINUSE', port: 8080, address: '127.0.0.1' }));`);
    let text = '';
    child.stderr?.on('data', (data) => (text += data));
    const [code] = await once(child, 'exit');
    expect(code).toBe(1);
    expect(text.trim().split('\n')).toEqual(['plane: port 8080 on 127.0.0.1 is already in use: stop what uses it or choose another port']);
  });
});
