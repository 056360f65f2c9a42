import { request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  compareJson,
  cutAfter,
  errorEventAfter,
  geminiArray,
  geminiBody,
  golden,
  goldenAvailable,
  gzip,
  hangUp,
  healthy,
  htmlPage,
  manyPieces,
  never,
  responsesBody,
  responsesStream,
  say,
  type ScriptedUpstream,
  splitAt,
  stallAfter,
  startUpstream,
  status,
  stepwise,
} from '../src/index.ts';

let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = await startUpstream();
});
afterEach(() => upstream.reset());
afterAll(() => upstream.close());

interface Got {
  status: number;
  chunks: string[];
  /** How the answer ended. */
  end: Promise<'end' | 'broken'>;
  /** Settles when `bytes` bytes of body are here. */
  have(bytes: number): Promise<void>;
  abort(): void;
}

/** Sends a request and keeps the body's chunks apart. */
function send(path: string, body: unknown, base = upstream.url): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${base}${path}`, { method: 'POST', headers: { 'X-Odd-Case': '1' }, agent: false }, (response) => {
      const chunks: string[] = [];
      const end = new Promise<'end' | 'broken'>((done) => {
        response.on('end', () => done('end'));
        response.on('error', () => done('broken'));
      });
      const have = (bytes: number) =>
        new Promise<void>((done) => {
          const check = () => chunks.join('').length >= bytes && done();
          response.on('data', check);
          check();
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
      resolve({ status: response.statusCode ?? 0, chunks, end, have, abort: () => request.destroy() });
    });
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

const streamed = { model: 'claude-sonnet-4-5-20250929', stream: true };

describe.skipIf(!goldenAvailable)('a healthy upstream equals the recorded one', () => {
  it.each([
    ['proxy-happy', 'messages-stream'],
    ['proxy-happy', '1m-force-opus'],
    ['proxy-happy', 'count_tokens'],
    ['proxy-happy', 'chat-completions-stream'],
    ['proxy-happy', 'chat-completions-stream-usage'],
    ['proxy-happy', 'chat-path-with-input-body'],
    ['proxy-happy', 'responses'],
    ['proxy-happy', 'gemini-generateContent'],
    ['proxy-happy', 'gemini-countTokens'],
  ])('%s/%s', async (group, name) => {
    const recording = golden(group, name);
    const received = recording.upstream?.[0];
    const url = `${upstream.url}${received?.url}`;
    const answer = await fetch(url, { method: received?.method ?? '', body: JSON.stringify(received?.body) });
    expect(answer.status).toBe(recording.response.status);
    const text = await answer.text();
    const { body } = recording.response;
    if (typeof body === 'string') expect(text).toBe(body);
    else expect(compareJson(body, JSON.parse(text))).toEqual([]);
  });
});

it('tells a Responses stream whose items add up to the whole answer', () => {
  const reply = { text: 'two words', toolCalls: [{ name: 'look', arguments: { where: 'here' } }] };
  const events = responsesStream(reply).map((frame) => JSON.parse(frame.split('data: ')[1] ?? '') as Record<string, unknown>);
  expect(events.map((event) => event['sequence_number'])).toEqual(events.map((_, index) => index));
  const items = events.filter((event) => event['type'] === 'response.output_item.done').map((event) => event['item']);
  const { output } = responsesBody(reply);
  expect(items).toEqual(output);
  expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { output } });
});

it('tells a Gemini JSON array that adds up to the whole answer', () => {
  const parts = JSON.parse(geminiArray({ text: 'two words' }).join('')) as { candidates: { content: { parts: { text: string }[] } }[] }[];
  const text = parts.flatMap((part) => part.candidates.flatMap((candidate) => candidate.content.parts)).map((part) => part.text);
  expect(text).toEqual(['two', ' words']);
  expect(geminiBody({ text: 'two words' })).toMatchObject({ candidates: [{ content: { parts: [{ text: 'two words' }] } }] });
});

it('cuts a body exactly where it is told', async () => {
  const whole = 'data: {"text":"größer"}\n\n';
  const bytes = Buffer.byteLength(whole);
  upstream.respond(splitAt([1, 2, bytes - 1], say([whole])));
  const got = await send('/v1/messages', streamed);
  await got.end;
  expect(got.chunks.map((chunk) => chunk.length)).toEqual([1, 1, expect.any(Number), 1]);
  expect(got.chunks.join('')).toBe(whole);
});

it('sends every frame of a long stream by itself', async () => {
  upstream.respond(healthy({ text: manyPieces(2000) }));
  const got = await send('/v1/chat/completions', { stream: true });
  expect(await got.end).toBe('end');
  // One chunk more wherever the reader's buffer ended inside a frame.
  expect(got.chunks.length).toBeGreaterThanOrEqual(2003);
  expect(got.chunks.join('').split('\n\n')).toHaveLength(2003 + 1);
});

it.each([0, 1, 700])('closes the connection after exactly %i bytes', async (bytes) => {
  upstream.respond(cutAfter(bytes));
  const got = await send('/v1/messages', streamed);
  expect(await got.end).toBe('broken');
  expect(got.chunks.join('').length).toBe(bytes);
  const [request] = upstream.requests;
  expect(await request?.whenClosed).toBe('cut');
  expect(request?.aborted).toBe(false);
});

it('closes before the first byte', async () => {
  upstream.respond(hangUp());
  await expect(send('/v1/messages', streamed)).rejects.toMatchObject({ code: 'ECONNRESET' });
});

it('stalls where it is told and goes on when it is told', async () => {
  const frames = ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'];
  const stall = stallAfter(2, say(frames));
  upstream.respond(stall);
  const got = await send('/v1/messages', streamed);
  await stall.reached;
  await got.have(frames[0]!.length * 2);
  expect(got.chunks).toEqual(frames.slice(0, 2));
  stall.resume();
  expect(await got.end).toBe('end');
  expect(got.chunks).toEqual(frames);
});

it('goes step by step', async () => {
  const steps = stepwise(say(['a', 'b', 'c', 'd']));
  upstream.respond(steps);
  const got = await send('/v1/messages', streamed);
  expect(got.chunks).toEqual([]);
  await steps.next();
  await got.have(1);
  expect(got.chunks.join('')).toBe('a');
  await steps.next(2);
  await got.have(3);
  expect(got.chunks.join('')).toBe('abc');
  await steps.rest();
  expect(await got.end).toBe('end');
  expect(got.chunks.join('')).toBe('abcd');
});

it('knows who ended an exchange', async () => {
  upstream.respond(stallAfter(1));
  const leaving = await send('/v1/messages', streamed);
  await leaving.have(1);
  leaving.abort();
  const [request] = await upstream.waitForRequests(1);
  await request?.whenAborted;
  expect(request?.aborted).toBe(true);
  const staying = await send('/v1/messages', streamed);
  await staying.end;
  expect(await upstream.requests[1]?.whenClosed).toBe('answered');
  expect(upstream.requests[1]?.aborted).toBe(false);
});

it('sees a client leave that never got an answer', async () => {
  upstream.respond(never());
  const controller = new AbortController();
  const answer = fetch(`${upstream.url}/v1/messages`, { method: 'POST', body: '{}', signal: controller.signal });
  const [request] = await upstream.waitForRequests(1);
  controller.abort();
  await expect(answer).rejects.toThrow();
  expect(await request?.whenClosed).toBe('aborted');
});

it('records what it received, as it received it', async () => {
  await (await send('/t/a/v1/messages?beta=true', { model: 'm' })).end;
  expect(upstream.requests[0]).toMatchObject({ number: 1, method: 'POST', url: '/t/a/v1/messages?beta=true', path: '/v1/messages?beta=true', mode: 'a', json: { model: 'm' } });
  expect(upstream.requests[0]?.rawHeaders).toContain('X-Odd-Case');
});

it('keeps the scripts of different modes apart', async () => {
  upstream.always(status(500), 'a');
  upstream.respond(status(429), 'a');
  upstream.respond(htmlPage(502));
  const statuses = [];
  for (const path of ['/t/a', '/t/a', '/t/fail-529', '/t/unheard-of', '', '']) {
    statuses.push((await send(`${path}/v1/messages`, streamed)).status);
  }
  expect(statuses).toEqual([429, 500, 529, 200, 502, 200]);
});

it('compresses without changing the content', async () => {
  upstream.respond(gzip());
  const answer = await fetch(`${upstream.url}/v1/messages`, { method: 'POST', body: '{}' });
  expect(answer.headers.get('content-encoding')).toBe('gzip');
  expect(await answer.json()).toMatchObject({ type: 'message' });
});

it('puts an error event after good ones', async () => {
  upstream.respond(errorEventAfter(2));
  const got = await send('/v1/messages', streamed);
  await got.end;
  expect(got.chunks.map((chunk) => chunk.split('\n', 1)[0])).toEqual(['event: message_start', 'event: content_block_start', 'event: error']);
});

it('says what came when it waits in vain', async () => {
  await (await send('/v1/messages', streamed)).end;
  await expect(upstream.waitForRequests(2, { timeoutMs: 20 })).rejects.toThrow(/2 requests.*POST \/v1\/messages/);
});
