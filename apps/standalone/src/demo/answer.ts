import { exampleOf } from './example.ts';
import { firstTokens, textTokens } from './tokens.ts';

/** What a request of any dialect comes down to here. */
export interface Ask {
  readonly model: string;
  /** The last thing that the user said. */
  readonly lastUserText: string;
  readonly inputTokens: number;
  /** Unset: as many as it takes. */
  readonly maxTokens: number | undefined;
  /** A tool that must be called. */
  readonly forcedTool: Tool | undefined;
  /** JSON Schema that the answer's text has to follow. */
  readonly textSchema: unknown;
  readonly streaming: boolean;
  /** Chat completions only: whether the stream ends with a chunk of usage. */
  readonly includeUsage: boolean;
}

export interface Tool {
  readonly name: string;
  /** JSON Schema of its arguments. */
  readonly schema: unknown;
}

/** What is answered, before a dialect gives it its form. */
export interface Answer {
  /** Twenty-four letters and digits, unique. */
  readonly id: string;
  /** Epoch seconds. */
  readonly created: number;
  readonly model: string;
  /** Empty if a tool is called. */
  readonly text: string;
  readonly toolCall: { readonly name: string; readonly arguments: unknown } | undefined;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Whether the text was cut at the request's maximum of tokens. */
  readonly truncated: boolean;
}

/** How much of the user's words is repeated, characters. */
const longestEcho = 160;

/** Answers without any model: says what this is, repeats a piece of what was asked, and how to get real answers. */
export function compose(ask: Ask, id: string, created: number): Answer {
  const base = { id, created, model: ask.model, inputTokens: ask.inputTokens };
  const sentence = demoText(ask.lastUserText);
  if (ask.forcedTool !== undefined) {
    const call = { name: ask.forcedTool.name, arguments: exampleOf(ask.forcedTool.schema, 'demo') ?? {} };
    return { ...base, text: '', toolCall: call, outputTokens: 8 + textTokens(JSON.stringify(call)), truncated: false };
  }
  const whole = ask.textSchema === undefined ? sentence : JSON.stringify(exampleOf(ask.textSchema, 'Demo upstream of Claude Code Hub'));
  const truncated = ask.maxTokens !== undefined && textTokens(whole) > ask.maxTokens;
  const text = truncated ? firstTokens(whole, ask.maxTokens ?? 0) : whole;
  return { ...base, text, toolCall: undefined, outputTokens: Math.max(1, textTokens(text)), truncated };
}

function demoText(said: string): string {
  const words = said.trim().replace(/\s+/g, ' ');
  const echo = words.length > longestEcho ? `${words.slice(0, longestEcho)}…` : words;
  if (/\p{Script=Han}/u.test(words)) {
    return (
      `这里是 Claude Code Hub 的演示上游，没有任何模型读过您的消息。您说的是：“${echo}”。` +
      '要得到真正的回答，请添加一个供应商：设置 ANTHROPIC_API_KEY、OPENAI_API_KEY 或 GEMINI_API_KEY 后重新启动，' +
      '或调用管理接口 POST /api/actions/providers/addProvider（见 README.zh-CN.md）。'
    );
  }
  return (
    `This is the demo upstream of Claude Code Hub; no model has read your message. You said: "${echo}". ` +
    'For real answers add a provider: restart the hub with ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY set, ' +
    'or call POST /api/actions/providers/addProvider of the management API (see README.md).'
  );
}

/** The text in pieces of a few words, as a model would stream it. */
export function pieces(text: string): readonly string[] {
  return text.match(/[\s\S]{1,24}(?=\s|$)|[\s\S]{1,24}/gu) ?? [];
}

/** The arguments of a tool call in pieces. */
export function argumentPieces(call: NonNullable<Answer['toolCall']>): readonly string[] {
  return JSON.stringify(call.arguments).match(/[\s\S]{1,32}/gu) ?? ['{}'];
}
