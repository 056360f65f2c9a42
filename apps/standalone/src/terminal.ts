/** What the person at the terminal sees. Progress goes to standard error, results to standard output. */
export interface Terminal {
  /** One line of progress or trouble. */
  note(line: string): void;
  /** The result, for people and for programs that parse it. */
  print(text: string): void;
}

export function createTerminal(): Terminal {
  // Whoever started us may have closed its end of the pipe; that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return {
    note: (line) => process.stderr.write(`hub: ${line}\n`),
    print: (text) => process.stdout.write(`${text}\n`),
  };
}

/** The hub can't start, for a reason that one line explains. */
export class StartError extends Error {
  override readonly name = 'StartError';
  /** The process that failed has said so itself. */
  readonly alreadySaid: boolean;

  constructor(message: string, alreadySaid = false) {
    super(message);
    this.alreadySaid = alreadySaid;
  }
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
