/**
 * A synchronous step of a stream: takes one thing in, gives any number out. No promises, no clock; the caller decides when
 * bytes move. After `end()` nothing is pushed any more.
 */
export interface Transducer<Input, Output> {
  push(input: Input): Output[];
  end(): Output[];
}

/** First `left`, then `right`, as one step. */
export function compose<Input, Middle, Output>(
  left: Transducer<Input, Middle>,
  right: Transducer<Middle, Output>,
): Transducer<Input, Output> {
  const through = (items: Middle[]): Output[] => {
    if (items.length === 1 && items[0] !== undefined) return right.push(items[0]);
    return items.flatMap((item) => right.push(item));
  };
  return {
    push: (input) => through(left.push(input)),
    end: () => [...through(left.end()), ...right.end()],
  };
}

/** Runs a finite input through a step: what tests and whole answers need. */
export function collect<Input, Output>(step: Transducer<Input, Output>, inputs: Iterable<Input>): Output[] {
  const outputs: Output[] = [];
  for (const input of inputs) outputs.push(...step.push(input));
  outputs.push(...step.end());
  return outputs;
}
