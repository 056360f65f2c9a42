/**
 * Asks until the answer is there, for things that send no event (rows in a database, another process' state).
 * Rejects after `timeoutMs` (unset: 10 s) with `what`.
 */
export async function eventually<T>(
  what: () => string,
  ask: () => Promise<T | undefined>,
  { timeoutMs = 10_000, intervalMs = 10 }: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
