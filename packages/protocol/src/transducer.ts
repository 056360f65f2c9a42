/**
 * A synchronous step of a stream: takes one thing in, gives any number out. No promises, no clock; the caller decides when
 * bytes move. After `end()` nothing is pushed any more.
 */
export interface Transducer<Input, Output> {
  push(input: Input): Output[];
  end(): Output[];
}

/** Runs a finite input through a step. */
export function collect<Input, Output>(step: Transducer<Input, Output>, inputs: Iterable<Input>): Output[] {
  const outputs: Output[] = [];
  for (const input of inputs) outputs.push(...step.push(input));
  outputs.push(...step.end());
  return outputs;
}
