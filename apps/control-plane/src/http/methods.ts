import type { Request, Response } from 'express';
import { answerEmpty } from './answer.ts';

/** Ends what no handler before it took: OPTIONS is told the methods that there are, everything else is not one of them. */
export function onlyMethods(allow: string): (request: Request, response: Response) => void {
  return (request, response) => {
    response.setHeader('allow', allow);
    answerEmpty(response, request.method === 'OPTIONS' ? 204 : 405);
  };
}
