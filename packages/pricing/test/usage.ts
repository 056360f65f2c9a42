import type { Usage } from '@hub/protocol';

/** A usage with the given counts and zero elsewhere. */
export function tokens(counts: Partial<Usage>): Usage {
  return {
    input: 0,
    output: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteUnsplit: 0,
    reasoning: 0,
    inputImage: 0,
    outputImage: 0,
    inputAudio: 0,
    outputAudio: 0,
    ...counts,
  };
}
