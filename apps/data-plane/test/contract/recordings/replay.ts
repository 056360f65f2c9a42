import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { UsageRecord } from '@hub/contract';
import { type Recording, type ScriptedUpstream, stallAfter, type UpstreamRequest } from '@hub/testkit';
import type { TestControlPlane, TestGateway } from '../../boot.ts';
import { recordingOf } from './recording.ts';
import { worldOf, type World } from './scenario.ts';
import { scriptUpstream } from './upstream.ts';

/** Plays one recording against the gateway. */

export interface Stage {
  readonly upstream: ScriptedUpstream;
  readonly controlPlane: TestControlPlane;
  readonly hub: TestGateway;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The connection was cut before the answer was complete. */
  readonly cut: boolean;
}

export interface Played {
  readonly world: World;
  readonly answer: Answer;
  readonly upstream: readonly UpstreamRequest[];
  readonly records: readonly UsageRecord[];
}

export async function play(caseName: string, recording: Recording, stage: Stage): Promise<Played> {
  const { upstream, controlPlane, hub } = stage;
  const world = worldOf(caseName, recording, upstream);
  upstream.reset();
  controlPlane.spent.clear();
  for (const [subject, nanos] of world.spent) controlPlane.spent.set(subject, nanos);
  await controlPlane.waitForAck(controlPlane.publish(world.entities));
  for (const name of world.before) {
    const earlier = recordingOf(...split(name));
    scriptUpstream(upstream, earlier);
    await send(hub.url, { ...earlier.request, headers: { ...earlier.request.headers, ...credentialsOf(recording) } });
  }
  const running = world.running ? startRunning(recording, stage) : undefined;
  await running?.reached;
  await hub.gateway.shipper.flush(10_000);
  controlPlane.records.length = 0;
  const runningRequests = upstream.requests.length;
  if (running === undefined) upstream.reset();
  const left = scriptUpstream(upstream, recording);
  const answer = await send(hub.url, recording.request, left === undefined ? undefined : left.then(() => throughTheGateway(hub)));
  if (left !== undefined) await controlPlane.waitForRecords(1);
  await hub.gateway.shipper.flush(10_000);
  const played = { world, answer, upstream: upstream.requests.slice(running === undefined ? 0 : runningRequests), records: [...controlPlane.records] };
  await running?.finish();
  return played;
}

/** The same request, held in the middle of its answer. */
function startRunning(recording: Recording, { upstream, hub }: Stage): { reached: Promise<void>; finish(): Promise<void> } {
  const stall = stallAfter(5);
  const mode = recording.upstream?.[0]?.tenant ?? '';
  upstream.respond(stall, mode);
  const answer = send(hub.url, recording.request);
  return {
    reached: stall.reached,
    async finish() {
      stall.resume();
      await answer;
    },
  };
}

/** Settles when the gateway has served a request that came after everything that it had received before. */
async function throughTheGateway({ url }: TestGateway): Promise<void> {
  const response = await fetch(`${url}/v1/models`, { method: 'OPTIONS' });
  await response.text();
}

function split(name: string): [group: string, name: string] {
  const slash = name.indexOf('/');
  return [name.slice(0, slash), name.slice(slash + 1)];
}

function credentialsOf({ request: { headers } }: Recording): Record<string, string | number> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name === 'x-api-key' || name === 'authorization' || name === 'x-goog-api-key'));
}

/** Nothing is added to the recorded headers. @param leave settles when the client hangs up */
function send(url: string, { method, path, headers, body }: Recording['request'], leave?: Promise<void>): Promise<Answer> {
  const bytes = bytesOf(body);
  const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-length'));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const request = httpRequest(url + path, { method, headers: { ...sent, ...(bytes === undefined ? {} : { 'content-length': bytes.length }) }, agent: false }, (response) => {
      const finish = (cut: boolean) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks), cut });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => finish(false));
      response.on('error', () => finish(leave === undefined));
    });
    // Whoever leaves before the answer begins has seen nothing.
    request.on('error', (error) => (leave === undefined ? reject(error) : resolve({ status: 0, headers: {}, body: Buffer.alloc(0), cut: false })));
    request.end(bytes);
    leave?.then(() => request.destroy(), reject);
  });
}

function bytesOf(body: unknown): Buffer | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string') return Buffer.from(body);
  const base64 = typeof body === 'object' && '$base64' in body ? body.$base64 : undefined;
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : Buffer.from(JSON.stringify(body));
}
