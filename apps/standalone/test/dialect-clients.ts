import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import AnthropicOne from 'anthropic-sdk-1';
import OpenAI from 'openai';

/** Where the vendors' own SDKs are pointed, and with which key. */
export interface Target {
  readonly url: string;
  readonly key: string;
}

/** What came of one request: the text or tool call, and the tokens that the SDK reported. */
export interface Outcome {
  readonly text: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

type Send = (target: Target, message: string) => Promise<Outcome>;

const anthropicRequest = (message: string) => ({ model: 'claude-sonnet-5-5', max_tokens: 500, messages: [{ role: 'user' as const, content: message }] });

const anthropicMessage: Send = async ({ url, key }, message) => {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const { content, usage } = await client.messages.create(anthropicRequest(message));
  const [block] = content;
  return { text: block?.type === 'text' ? block.text : '', inputTokens: usage.input_tokens, outputTokens: usage.output_tokens };
};

const anthropicStream: Send = async ({ url, key }, message) => {
  const client = new Anthropic({ baseURL: url, authToken: key, apiKey: null, maxRetries: 0 });
  const { content, usage } = await client.messages.stream(anthropicRequest(message)).finalMessage();
  const [block] = content;
  return { text: block?.type === 'text' ? block.text : '', inputTokens: usage.input_tokens, outputTokens: usage.output_tokens };
};

const anthropicOneStream: Send = async ({ url, key }, message) => {
  const client = new AnthropicOne({ baseURL: url, apiKey: key, maxRetries: 0 });
  const { content, usage } = await client.messages.stream(anthropicRequest(message)).finalMessage();
  const [block] = content;
  return { text: block?.type === 'text' ? block.text : '', inputTokens: usage.input_tokens, outputTokens: usage.output_tokens };
};

const chatMessage: Send = async ({ url, key }, message) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const { choices, usage } = await client.chat.completions.create({ model: 'gpt-5', messages: [{ role: 'user', content: message }] });
  return { text: choices[0]?.message.content ?? '', inputTokens: usage?.prompt_tokens ?? 0, outputTokens: usage?.completion_tokens ?? 0 };
};

const chatStream: Send = async ({ url, key }, message) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const stream = client.chat.completions.stream({
    model: 'gpt-5',
    messages: [{ role: 'user', content: message }],
    stream_options: { include_usage: true },
  });
  const { choices, usage } = await stream.finalChatCompletion();
  return { text: choices[0]?.message.content ?? '', inputTokens: usage?.prompt_tokens ?? 0, outputTokens: usage?.completion_tokens ?? 0 };
};

const responsesMessage: Send = async ({ url, key }, message) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const { output_text, usage } = await client.responses.create({ model: 'gpt-5', input: [{ role: 'user', content: message }] });
  return { text: output_text, inputTokens: usage?.input_tokens ?? 0, outputTokens: usage?.output_tokens ?? 0 };
};

const responsesStream: Send = async ({ url, key }, message) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  const stream = client.responses.stream({ model: 'gpt-5', input: [{ role: 'user', content: message }] });
  const { output_text, usage } = await stream.finalResponse();
  return { text: output_text, inputTokens: usage?.input_tokens ?? 0, outputTokens: usage?.output_tokens ?? 0 };
};

function gemini({ url, key }: Target, apiVersion?: string): GoogleGenAI {
  return new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url, ...(apiVersion === undefined ? {} : { apiVersion }) } });
}

const geminiMessage: Send = async (target, message) => {
  const { text, usageMetadata } = await gemini(target).models.generateContent({ model: 'gemini-2.5-flash', contents: message });
  return { text: text ?? '', inputTokens: usageMetadata?.promptTokenCount ?? 0, outputTokens: usageMetadata?.candidatesTokenCount ?? 0 };
};

const geminiStream: Send = async (target, message) => {
  // The newest generation of the SDK leaves "beta" out of the path.
  const stream = await gemini(target, 'v1').models.generateContentStream({ model: 'gemini-2.5-flash', contents: message });
  let outcome: Outcome = { text: '', inputTokens: 0, outputTokens: 0 };
  for await (const { text, usageMetadata } of stream) {
    outcome = {
      text: outcome.text + (text ?? ''),
      inputTokens: usageMetadata?.promptTokenCount ?? outcome.inputTokens,
      outputTokens: usageMetadata?.candidatesTokenCount ?? outcome.outputTokens,
    };
  }
  return outcome;
};

/** Every dialect, as its vendor's SDK speaks it: whole and as a stream. */
export const conversations: Readonly<Record<string, Send>> = {
  'Anthropic Messages': anthropicMessage,
  'Anthropic Messages, stream': anthropicStream,
  'Anthropic Messages by SDK 1.x, stream': anthropicOneStream,
  'OpenAI chat completions': chatMessage,
  'OpenAI chat completions, stream': chatStream,
  'OpenAI Responses': responsesMessage,
  'OpenAI Responses, stream': responsesStream,
  'Gemini generateContent': geminiMessage,
  'Gemini streamGenerateContent': geminiStream,
};
