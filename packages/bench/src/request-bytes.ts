import { answerHeader, type AnswerName, hubKey, model, users } from './workload.ts';

/** Requests as they go on the wire, with the headers of today's Claude Code. Each client has a session of its own. */

export interface RequestBytes {
  /** Written one after the other; the last one may be shared by all clients. */
  readonly parts: readonly Buffer[];
}

/** @param client number of the client, from 0; decides user and session */
export function requestBytes(kind: 'small' | 'agent', answer: AnswerName, client: number): RequestBytes {
  const session = sessionId(client);
  const userId = JSON.stringify({ device_id: 'd'.repeat(64), account_uuid: '', session_id: session });
  const opening = { model, stream: answer !== 'json', max_tokens: 32_000, metadata: { user_id: userId } };
  const rest = kind === 'small' ? smallRest : agentRest();
  const prefix = Buffer.from(`${JSON.stringify(opening).slice(0, -1)},`);
  const head = Buffer.from(headOf(answer, client, session, prefix.length + rest.length));
  return kind === 'small' ? { parts: [Buffer.concat([head, prefix, rest])] } : { parts: [Buffer.concat([head, prefix]), rest] };
}

function sessionId(client: number): string {
  return `5f0c7e6a-1b2c-4d3e-8f90-${client.toString(16).padStart(12, '0')}`;
}

function headOf(answer: AnswerName, client: number, session: string, length: number): string {
  const lines = [
    'POST /v1/messages?beta=true HTTP/1.1',
    'Host: hub.internal:8080',
    'Connection: keep-alive',
    'Accept: application/json',
    'X-Stainless-Retry-Count: 0',
    'X-Stainless-Timeout: 600',
    'X-Stainless-Lang: js',
    'X-Stainless-Package-Version: 0.128.0',
    'X-Stainless-OS: Linux',
    'X-Stainless-Arch: x64',
    'X-Stainless-Runtime: node',
    'X-Stainless-Runtime-Version: v24.3.0',
    'anthropic-dangerous-direct-browser-access: true',
    'anthropic-version: 2023-06-01',
    `x-api-key: ${hubKey((client % users) + 1)}`,
    'x-app: cli',
    `x-claude-code-session-id: ${session}`,
    'User-Agent: claude-cli/2.1.330 (external, cli)',
    'content-type: application/json',
    'anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27',
    'accept-encoding: gzip, deflate, br, zstd',
    `${answerHeader}: ${answer}`,
    `Content-Length: ${length}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Five turns: longer than what counts as a short conversation, so that a session in use stays one session. */
const smallRest = afterBrace({
  messages: [
    { role: 'user', content: 'What does the function countLines do?' },
    { role: 'assistant', content: 'It counts the lines of a file.' },
    { role: 'user', content: 'Does it load the whole file?' },
    { role: 'assistant', content: 'No, it reads one line after the other.' },
    { role: 'user', content: 'And what does it return?' },
  ],
});

let agent: Buffer | undefined;

/** 400 KB as a coding agent sends them late in a session: a long system prompt, 40 tools, a history of tool calls. */
function agentRest(): Buffer {
  agent ??= afterBrace({
    system: [
      { type: 'text', text: "You are Claude Code, Anthropic's official CLI for Claude." },
      { type: 'text', text: prose(28_000), cache_control: { type: 'ephemeral' } },
    ],
    tools: Array.from({ length: 40 }, (_, index) => tool(index)),
    messages: history(330_000),
    thinking: { type: 'enabled', budget_tokens: 31_999 },
  });
  return agent;
}

function afterBrace(value: object): Buffer {
  return Buffer.from(JSON.stringify(value).slice(1));
}

function tool(index: number): object {
  const field = (name: string) => [name, { type: 'string', description: prose(120) }];
  const properties = Object.fromEntries(['path', 'pattern', 'content', 'limit', 'mode'].map(field));
  return {
    name: `Tool${index}`,
    description: prose(400),
    input_schema: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties, required: ['path'], additionalProperties: false },
  };
}

/** User's question, then tool calls and what they brought, until it is long enough. */
function history(bytes: number): object[] {
  const messages: object[] = [{ role: 'user', content: [{ type: 'text', text: 'Find out why the counter is wrong and correct it.' }] }];
  for (let size = 0, turn = 0; size < bytes; turn++) {
    const id = `toolu_${String(turn).padStart(20, '0')}`;
    const call = { type: 'tool_use', id, name: 'Tool3', input: { path: `/srv/app/src/part-${turn}.py`, pattern: 'count', limit: '200' } };
    const result = { type: 'tool_result', tool_use_id: id, content: [{ type: 'text', text: sourceCode(turn) }] };
    messages.push({ role: 'assistant', content: [{ type: 'text', text: prose(200) }, call] }, { role: 'user', content: [result] });
    size += JSON.stringify(call).length + JSON.stringify(result).length + 300;
  }
  messages.push({ role: 'assistant', content: 'I have seen enough.' }, { role: 'user', content: 'Then go on.' });
  return messages;
}

const sentence = 'Read the file before you change it, keep to the style that is there, and run the tests when you are done. ';

function prose(length: number): string {
  return sentence.repeat(Math.ceil(length / sentence.length)).slice(0, length);
}

/** Quotes, escapes, line ends and some text beyond ASCII, as code has them. */
function sourceCode(turn: number): string {
  const lines = Array.from({ length: 60 }, (_, line) => `${line}\u2192    total_${turn} = count_lines(path, "pattern-${line}")  # gez\u00e4hlt, "once"\n`);
  return `${lines.join('')}\nif __name__ == "__main__":\n\tprint({"_id": ${turn}, "total": total_${turn}})\n`;
}
