import { z } from 'zod';
import type { CallContext } from './context.ts';
import { type InvalidStyle, parseInput } from './failure.ts';

/** Who may call. `readonly` admits also keys that may not use the management interface. */
export type Role = 'admin' | 'user' | 'readonly';

/** The sections of the documentation, in their order. */
export const tags = ['Users', 'Keys', 'Providers', 'Model prices', 'Statistics', 'Usage logs', 'Overview', 'Sessions'] as const;
export type Tag = (typeof tags)[number];

interface Declaration {
  /** Path: `/api/actions/{module}/{action}`. */
  readonly module: string;
  readonly action: string;
  readonly role: Role;
  readonly tag: Tag;
  readonly summary: string;
  /**
   * What the transport checks before it looks who calls, if the content type is JSON. The operation does not get its
   * result but the body as it was sent.
   */
  readonly body: z.ZodType;
  /** What `data` looks like; `noData` if there is none. */
  readonly output: z.ZodType;
  /** Default `first`. */
  readonly invalid?: InvalidStyle;
  /** Largest body in bytes for those who may call it, if it needs more than others. */
  readonly bodyLimit?: number;
}

export interface Operation extends Declaration {
  /**
   * Checks the body for itself and does the work.
   * @throws InvalidInput, Failure
   */
  readonly call: (context: CallContext, body: unknown) => Promise<unknown>;
}

/** Declares an operation: the endpoint, its envelope and its documentation all come from this. */
export function operation<Input extends z.ZodType, Output extends z.ZodType>(
  declaration: Declaration & {
    /** What the operation itself accepts, whatever the transport has checked. */
    readonly input: Input;
    readonly output: Output;
    readonly run: (context: CallContext, input: z.output<Input>) => Promise<z.output<Output>>;
  },
): Operation {
  const { input, run, ...rest } = declaration;
  return {
    ...rest,
    call: async (context, body) => run(context, parseInput(input, body, rest.invalid ?? 'first')),
  };
}

/** For operations without arguments: whatever is sent is ignored, as long as it is an object where it claims to be JSON. */
export const noBody = z.object({});
export const ignored = z.unknown();
/** The answer is `{"ok":true}`. */
export const noData = z.void();
