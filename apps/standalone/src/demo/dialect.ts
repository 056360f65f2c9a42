import type { Answer, Ask } from './answer.ts';
import type { Fields } from './fields.ts';

/** One wire format: how a request is read and how an answer is written. */
export interface DemoDialect {
  /**
   * @param path model taken from the path, where the dialect has it there
   * @returns the request, or a sentence that says what is wrong with it
   */
  read(body: Fields, path: { readonly model: string; readonly streaming: boolean }): Ask | string;
  whole(answer: Answer): object;
  /** The stream, one element per piece of it that is sent by itself. */
  frames(answer: Answer, ask: Ask): readonly string[];
  error(status: number, message: string): object;
}

export function frame(data: object, event?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
}
