/** Answers that may be a little old, so that many who ask at once make the database work once. */
export interface RecentAnswers<T> {
  /** @param now epoch ms. A question that failed is asked again by the next one. */
  get(key: string, now: number, compute: () => Promise<T>): Promise<T>;
}

/** Oldest first out; nobody asks this many different questions within a minute. */
const capacity = 1000;

export function recentAnswers<T>(keptMs: number): RecentAnswers<T> {
  const answers = new Map<string, { readonly since: number; readonly answer: Promise<T> }>();
  return {
    get(key, now, compute) {
      const known = answers.get(key);
      if (known !== undefined && now >= known.since && now - known.since < keptMs) return known.answer;
      const entry = { since: now, answer: compute() };
      answers.delete(key);
      answers.set(key, entry);
      if (answers.size > capacity) answers.delete(answers.keys().next().value ?? key);
      entry.answer.catch(() => {
        if (answers.get(key) === entry) answers.delete(key);
      });
      return entry.answer;
    },
  };
}
