/** An action was refused; `body` is the answer as it came. */
export class ActionError extends Error {
  override readonly name = 'ActionError';
  readonly status: number;
  readonly body: unknown;

  constructor(action: string, status: number, body: unknown) {
    super(`${action} answered ${status}: ${JSON.stringify(body)}`);
    this.status = status;
    this.body = body;
  }
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined if it is not JSON. */
  readonly body: unknown;
}

/** Calls `POST /api/actions/<action>` with the admin token; `init` may replace headers, method and body. */
export async function callAction(controlPlaneUrl: string, token: string, action: string, init: RequestInit = {}): Promise<RawAnswer> {
  const headers = new Headers({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });
  new Headers(init.headers).forEach((value, name) => headers.set(name, value));
  const answer = await fetch(`${controlPlaneUrl}/api/actions/${action}`, { method: 'POST', body: '{}', ...init, headers });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: parse(text) };
}

/** @returns the `data` of a successful answer @throws ActionError */
export async function runAction(controlPlaneUrl: string, token: string, action: string, input: unknown): Promise<unknown> {
  const { status, body, text } = await callAction(controlPlaneUrl, token, action, { body: JSON.stringify(input) });
  const envelope = typeof body === 'object' && body !== null ? (body as { ok?: unknown; data?: unknown }) : {};
  if (status !== 200 || envelope.ok !== true) throw new ActionError(action, status, body ?? text);
  return envelope.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
