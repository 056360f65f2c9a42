import { type Answer, type Behaviour, cutAfter, type Handler, healthy, healthyAnswer, type Recording, type ScriptedUpstream, stallAfter, status, type UpstreamRequest } from '@hub/testkit';
import { attemptsOf, type ChainItem } from './recording.ts';

/**
 * The provider's side of a recording: what it answered stands in the answer that went through and, for failed attempts, in
 * the chain. Requests of the same mode get the same answer.
 * @returns if the client leaves in the middle: what settles when the provider has sent what the client saw
 */
export function scriptUpstream(upstream: ScriptedUpstream, recording: Recording): Promise<void> | undefined {
  if (clientLeft(recording)) return scriptUntilClientLeaves(upstream, recording);
  const attempts = attemptsOf(recording);
  for (const [index, { tenant }] of (recording.upstream ?? []).entries()) {
    const mode = tenant ?? '';
    const script = paced(mode, recording) ?? answerTo(attempts[index], mode, recording);
    if (script !== undefined) upstream.always(script, mode);
  }
  return undefined;
}

function scriptUntilClientLeaves(upstream: ScriptedUpstream, recording: Recording): Promise<void> {
  const stall = stallAfter(eventsOf(String(recording.response.body)).length);
  upstream.always(stall, recording.upstream?.[0]?.tenant ?? '');
  return stall.reached;
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
          response.statusCode = answer.status;
          for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
          for (const frame of answer.frames) response.write(frame);
          response.end();
        }, thinkingMs);
        response.once('close', () => clearTimeout(timer));
      };
    case 'slow-body':
      return stallAfter(0);
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
  if (recording.response.status !== 200) return undefined;
  const answer = recorded(recording);
  const behaviour: Behaviour = answer === undefined ? healthy() : { answer: () => answer };
  return mode.startsWith('abort-') ? cutWhole(behaviour, framesOf(recording.response).length) : behaviour;
}

/** Closes the connection behind the first `frames` frames. */
function cutWhole(of: Behaviour, frames: number): Behaviour {
  const shortened = { answer: (request: UpstreamRequest) => ({ ...of.answer(request), frames: of.answer(request).frames.slice(0, frames) }) };
  return cutAfter(Number.POSITIVE_INFINITY, shortened);
}

/** Of the recorder's own framework, not of the provider. */
const added = new Set(['vary', 'connection', 'keep-alive', 'date', 'transfer-encoding', 'x-fake-upstream']);

/** The answer that the provider gave when it passed unchanged; undefined if the hub made it, or if ours is asked otherwise. */
function recorded({ request, response, upstream = [] }: Recording): Answer | undefined {
  if (response.status !== 200 || upstream.length === 0 || askedOtherwise(request)) return undefined;
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

/** A list of models is made of several; a body on the wrong one of the two chat paths goes to its own; a Chat stream is asked for its usage. */
function askedOtherwise({ path, body }: Recording['request']): boolean {
  if (path.includes('/models?') || path.endsWith('models')) return true;
  const chat = path === '/v1/chat/completions';
  const fields = typeof body === 'object' && body !== null ? body : {};
  if ((chat && 'input' in fields) || (path === '/v1/responses' && 'messages' in fields)) return true;
  return chat && 'stream' in fields && !('stream_options' in fields);
}

export function clientLeft({ response }: Recording): boolean {
  return 'clientAborted' in response && response.clientAborted === true;
}

