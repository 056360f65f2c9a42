import type { Response } from 'express';

/** Written without express' own `json`, which would add a charset that v0.3.42 does not send. */
export function answerJson(response: Response, status: number, body: unknown): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

export function answerText(response: Response, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=UTF-8');
  response.end(text);
}

export function answerEmpty(response: Response, status: number): void {
  response.statusCode = status;
  response.end();
}
