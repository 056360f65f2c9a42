import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bytesOf } from './samples.ts';
import { classifyBody, readUpstreamError, watchJson, watchStream } from '../src/index.ts';
import type { Dialect, Watcher } from '../src/index.ts';

/** Recordings of v0.3.42: what clients got, and the row that was written for it. They are not part of the repository. */
const recordings = fileURLToPath(new URL('../../../../shared/golden/', import.meta.url));

interface Recording {
  request: { path: string };
  response: { status: number; headers: Record<string, string>; body: unknown };
  db: Record<string, number | null>[];
}

const groups = ['proxy-happy', 'proxy-upstream'];
const names = groups
  .filter((group) => existsSync(recordings + group))
  .flatMap((group) => readdirSync(recordings + group).map((file) => `${group}/${file}`));

function load(name: string): Recording {
  return JSON.parse(readFileSync(recordings + name, 'utf8')) as Recording;
}

/** The dialect that the answer is written in; undefined for other things that travel the proxy. */
function dialectOf(body: string): Dialect | undefined {
  if (body.includes('"object":"response"')) return 'openai-responses';
  if (body.includes('"object":"chat.completion')) return 'openai-chat';
  if (body.includes('"candidates"')) return 'gemini';
  return /"type":"message(?:_start)?"|"content":\[/.test(body) ? 'anthropic' : undefined;
}

interface Answer {
  name: string;
  dialect: Dialect;
  text: string;
  stream: boolean;
  row: Record<string, number | null> | undefined;
}

function answers(): Answer[] {
  const found: Answer[] = [];
  for (const name of names) {
    const { response, db } = load(name);
    const text = typeof response.body === 'string' ? response.body : JSON.stringify(response.body);
    const dialect = dialectOf(text);
    if (dialect === undefined || response.status !== 200) continue;
    found.push({ name, dialect, text, stream: response.headers['content-type']?.includes('event-stream') ?? false, row: db.at(-1) });
  }
  return found;
}

function watched({ dialect, text, stream }: Answer): Watcher {
  const watcher = stream ? watchStream(dialect) : watchJson(dialect);
  const bytes = bytesOf(text);
  for (let at = 0; at < bytes.length; at += 97) watcher.push(bytes.subarray(at, at + 97));
  watcher.end();
  return watcher;
}

describe.skipIf(names.length === 0)('recorded answers', () => {
  const all = answers();

  it('are there in every dialect, whole and streamed', () => {
    const kinds = new Set(all.map((answer) => `${answer.dialect} ${answer.stream ? 'stream' : 'json'}`));
    expect(kinds.size).toBeGreaterThanOrEqual(7);
  });

  it.each(all.map((answer) => [answer.name, answer] as const))('%s is understood', (name, answer) => {
    const watcher = watched(answer);
    const cut = name.includes('abort-mid-stream') && answer.stream;
    expect(classifyBody(answer.stream ? 'text/event-stream' : 'application/json', bytesOf(answer.text))).toBe(answer.stream ? 'sse' : 'json');
    expect(watcher.error).toBeUndefined();
    if (name.includes('bad-json')) {
      expect(watcher).toMatchObject({ contentSeen: false, finished: false });
      return;
    }
    expect(watcher.finished).toBe(!cut);
    // Also an end of turn without content is an answer, since it was counted.
    expect(watcher.contentSeen).toBe(true);
    if (!name.includes('no-usage') && !cut && answer.text.includes('"usage')) expect(watcher.usageFinal).toBe(true);
  });

  it('are counted as v0.3.42 counted them', () => {
    let compared = 0;
    for (const answer of all) {
      const { row } = answer;
      // Chat it did not count at all.
      if (row === undefined || row.input_tokens == null || answer.dialect === 'openai-chat') continue;
      const usage = watched(answer).usage;
      compared += 1;
      expect({ name: answer.name, input: usage?.input, output: usage?.output, read: usage?.cacheRead }).toEqual({
        name: answer.name,
        input: row.input_tokens,
        output: row.output_tokens,
        read: row.cache_read_input_tokens ?? 0,
      });
      expect(usage?.cacheWrite5m).toBe(row.cache_creation_5m_input_tokens ?? 0);
      expect(usage?.cacheWrite1h).toBe(row.cache_creation_1h_input_tokens ?? 0);
    }
    expect(compared).toBeGreaterThan(20);
  });

  it('chat is counted by the same rule, cached tokens apart', () => {
    const chats = all.filter((answer) => answer.dialect === 'openai-chat' && answer.text.includes('"prompt_tokens_details"'));
    expect(chats.length).toBeGreaterThan(0);
    for (const answer of chats) expect(watched(answer).usage).toMatchObject({ input: 296, output: 42, cacheRead: 1024, reasoning: 10 });
  });

  it('the texts of upstream errors are those of the rows', () => {
    let compared = 0;
    for (const name of names) {
      const row = load(name).db.at(-1) as Record<string, unknown> | undefined;
      const text = String(row?.error_message ?? '');
      const parts = /^Provider .*? returned (\d+): (.*?) \| Upstream: (.*)$/s.exec(text);
      if (parts === null) continue;
      const error = readUpstreamError(Number(parts[1]), () => undefined, parts[3] ?? '');
      expect(`${error.type === undefined ? '' : `${error.type}: `}${error.message}`).toBe(parts[2]);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(0);
  });
});
