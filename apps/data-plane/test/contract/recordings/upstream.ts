import { type Answer, type Behaviour, cutAfter, type Handler, healthyAnswer, type Recording, type ScriptedUpstream, stallAfter, status } from '@hub/testkit';
import { attemptsOf, type ChainItem } from './recording.ts';

/**
 * The provider's side of a recording: what it answered stands in the answer that went through and, for failed attempts, in
 * the chain. Requests of the same mode get the same answer.
 */
export function scriptUpstream(upstream: ScriptedUpstream, recording: Recording): void {
  const attempts = attemptsOf(recording);
  for (const [index, { tenant }] of (recording.upstream ?? []).entries()) {
    const mode = tenant ?? '';
    const script = paced(mode, recording) ?? answerTo(attempts[index], mode, recording);
    if (script !== undefined) upstream.always(script, mode);
  }
}

/** How long the slow provider thinks; more than the first-byte limit of its case. ms */
const thinkingMs = 150;

/** Modes that are about time. */
function paced(mode: string, recording: Recording): Behaviour | Handler | undefined {
  switch (mode) {
    case 'slow':
      return (request, response) => {
        const answer = recorded(recording) ?? healthyAnswer(request);
        const timer = setTimeout(() => {
          response.writeHead(answer.status, { ...answer.headers });
          for (const frame of answer.frames) response.write(frame);
          response.end();
        }, thinkingMs);
        response.once('close', () => clearTimeout(timer));
      };
    case 'slow-body':
      return stallAfter(0);
    case 'slow-stream':
      // As many events as the client had when it left; it then waits for more.
      return clientLeft(recording) ? stallAfter(eventsOf(String(recording.response.body)).length) : undefined;
    default:
      return undefined;
  }
}

function answerTo(attempt: ChainItem | undefined, mode: string, recording: Recording): Behaviour | undefined {
  const failure = attempt?.errorDetails?.provider;
  if (failure !== undefined) {
    if (typeof failure.upstreamBody !== 'string') return undefined;
    const type = failure.upstreamBody.startsWith('{') ? 'application/json' : 'text/plain; charset=utf-8';
    return status(failure.statusCode, failure.upstreamBody, { 'content-type': type });
  }
  const answer = recorded(recording);
  if (answer === undefined) return undefined;
  const behaviour: Behaviour = { answer: () => answer };
  return mode.startsWith('abort-') ? cutAfter(Buffer.concat(answer.frames.map((frame) => Buffer.from(frame))).length, behaviour) : behaviour;
}

/** Of the recorder's own framework, not of the provider. */
const added = new Set(['vary', 'connection', 'keep-alive', 'date', 'transfer-encoding', 'x-fake-upstream']);

/** The answer that the provider gave when it passed unchanged; undefined if the hub made it. */
function recorded({ response, upstream = [] }: Recording): Answer | undefined {
  if (response.status !== 200 || upstream.length === 0) return undefined;
  const headers = Object.fromEntries(Object.entries(response.headers).filter(([name]) => !added.has(name)));
  return { status: 200, headers, frames: framesOf(response) };
}

function framesOf({ headers, body }: Recording['response']): Answer['frames'] {
  if (body === '') return [];
  if (typeof body === 'string') return String(headers['content-type']).includes('event-stream') ? eventsOf(body) : [body];
  const bytes = typeof body === 'object' && body !== null && '$base64' in body ? body.$base64 : undefined;
  return [typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : JSON.stringify(body)];
}

/** A stream's events, each with the blank line behind it. */
export function eventsOf(text: string): string[] {
  return text.match(/[^]*?\r?\n\r?\n/g) ?? [];
}

export function clientLeft({ response }: Recording): boolean {
  return 'clientAborted' in response && response.clientAborted === true;
}

