import { createServer, type ServerResponse } from 'node:http';
import { announcePort } from './announce-port.ts';
import { type AnswerName, answerHeader, answerNames, chunksOf, jsonAnswer, streamAnswer, streamDelta, streamStart } from './workload.ts';

/** A provider without latency: answers as soon as it has read the request, chunks as fast as its event loop turns. */

const json = jsonAnswer();
const streams = { 'sse-50': streamAnswer(chunksOf('sse-50')), 'sse-2000': streamAnswer(chunksOf('sse-2000')) };
const commonHeaders = {
  'request-id': 'req_011CBENCH000000000000000',
  'anthropic-organization-id': '00000000-0000-0000-0000-000000000000',
  'anthropic-ratelimit-requests-limit': '4000',
  'anthropic-ratelimit-requests-remaining': '3999',
  'cf-cache-status': 'DYNAMIC',
  'x-robots-tag': 'none',
};
const jsonHeaders = { ...commonHeaders, 'content-type': 'application/json', 'content-length': String(json.length) };
const streamHeaders = { ...commonHeaders, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

/** Streams that stay open: each gets a chunk a second. */
const held = new Set<ServerResponse>();
const heldDelta = streamDelta(0);
setInterval(() => {
  for (const response of held) response.write(heldDelta);
}, 1000);

const server = createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, (request, response) => {
  const wanted = request.headers[answerHeader];
  const name = answerNames.find((known) => known === wanted) ?? 'json';
  request.resume();
  request.once('end', () => answer(response, name));
});

function answer(response: ServerResponse, name: AnswerName): void {
  if (name === 'json') {
    response.writeHead(200, jsonHeaders);
    response.end(json);
    return;
  }
  response.writeHead(200, streamHeaders);
  if (name !== 'hold') return writeInTurns(response, streams[name], 0);
  for (const frame of [...streamStart(), heldDelta]) response.write(frame);
  held.add(response);
  response.once('close', () => held.delete(response));
}

/** One chunk per turn of the event loop, so that each travels on its own as long as the reader keeps up. */
function writeInTurns(response: ServerResponse, frames: readonly Buffer[], index: number): void {
  const frame = frames[index];
  if (frame === undefined) {
    response.end();
    return;
  }
  const next = (): void => writeInTurns(response, frames, index + 1);
  if (response.write(frame)) setImmediate(next);
  else response.once('drain', next);
}

await announcePort(server);
