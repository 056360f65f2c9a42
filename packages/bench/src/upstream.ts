import { createServer, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { announcePort } from './announce-port.ts';
import { type AnswerName, answerHeader, answerNames, chunksOf, jsonAnswer, streamAnswer, streamDelta, streamStart } from './workload.ts';

/** A provider without latency: answers as soon as it has read the request, chunks as fast as its event loop turns. */

const json = jsonAnswer();
const chunked = { 'sse-50': streamAnswer(chunksOf('sse-50')).map(chunkOf), 'sse-2000': streamAnswer(chunksOf('sse-2000')).map(chunkOf) };
const commonHeaders = {
  'request-id': 'req_011CBENCH000000000000000',
  'anthropic-organization-id': '00000000-0000-0000-0000-000000000000',
  'anthropic-ratelimit-requests-limit': '4000',
  'anthropic-ratelimit-requests-remaining': '3999',
  'cf-cache-status': 'DYNAMIC',
  'x-robots-tag': 'none',
};
const jsonHeaders = { ...commonHeaders, 'content-type': 'application/json', 'content-length': String(json.length) };
const streamHeaders = { ...commonHeaders, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', 'transfer-encoding': 'chunked' };

/** Streams that stay open: each gets a chunk a second. */
const held = new Set<Socket>();
const heldDelta = chunkOf(streamDelta(0));
setInterval(() => {
  for (const socket of held) socket.write(heldDelta);
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
  // The chunks are framed beforehand and go past node's own framing, which would cost as much again as the write.
  response.flushHeaders();
  const { socket } = response;
  if (socket === null) return;
  if (name !== 'hold') return writeInTurns(response, socket, chunked[name], 0);
  for (const frame of [...streamStart(), streamDelta(0)]) socket.write(chunkOf(frame));
  held.add(socket);
  response.once('close', () => held.delete(socket));
}

/** One chunk per turn of the event loop, so that each travels on its own as long as the reader keeps up. */
function writeInTurns(response: ServerResponse, socket: Socket, frames: readonly Buffer[], index: number): void {
  const frame = frames[index];
  if (frame === undefined || socket.destroyed) {
    response.end();
    return;
  }
  const next = (): void => writeInTurns(response, socket, frames, index + 1);
  if (socket.write(frame)) setImmediate(next);
  else socket.once('drain', next);
}

/** As HTTP/1.1 frames it (RFC 9112, 7.1). */
function chunkOf(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

await announcePort(server);
