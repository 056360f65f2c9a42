import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import { FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { systemClock } from '@hub/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDemoServer } from '../src/demo/server.ts';
import { conversations, type Target } from './dialect-clients.ts';

let server: Server;
let target: Target;

beforeAll(async () => {
  server = createDemoServer({ key: 'demo-key', paceMs: 0, clock: systemClock });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  target = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, key: 'demo-key' };
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

describe('the demo upstream and the official SDKs', () => {
  for (const [name, send] of Object.entries(conversations)) {
    it(`answers ${name}`, async () => {
      const { text, inputTokens, outputTokens } = await send(target, 'Is it raining?');
      expect(text).toContain('demo upstream');
      expect(text).toContain('Is it raining?');
      expect(inputTokens).toBeGreaterThan(3);
      expect(outputTokens).toBeGreaterThan(40);
    });
  }

  it('refuses any other key, in every dialect', async () => {
    for (const [name, send] of Object.entries(conversations)) {
      await expect(send({ ...target, key: 'sk-hub-key' }, 'hello'), name).rejects.toMatchObject({ status: 401 });
    }
  });

  it('answers in Chinese when spoken to in Chinese', async () => {
    const send = conversations['Anthropic Messages'];
    expect((await send?.(target, '你好'))?.text).toContain('演示上游');
  });
});

const schema = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } }, required: ['city', 'days'] };

describe('a forced tool', () => {
  it('is called by Anthropic Messages, streamed', async () => {
    const client = new Anthropic({ baseURL: target.url, apiKey: target.key });
    const tool = { name: 'weather', input_schema: { ...schema, type: 'object' as const } };
    const message = await client.messages
      .stream({ model: 'claude-sonnet-5-5', max_tokens: 100, messages: [{ role: 'user', content: 'x' }], tools: [tool], tool_choice: { type: 'any' } })
      .finalMessage();
    expect(message.stop_reason).toBe('tool_use');
    expect(message.content[0]).toMatchObject({ type: 'tool_use', name: 'weather', input: { city: 'demo', days: 1 } });
  });

  it('is called by chat completions, streamed', async () => {
    const client = new OpenAI({ baseURL: `${target.url}/v1`, apiKey: target.key });
    const tool = { type: 'function' as const, function: { name: 'weather', parameters: schema } };
    const completion = await client.chat.completions
      .stream({ model: 'gpt-5', messages: [{ role: 'user', content: 'x' }], tools: [tool], tool_choice: 'required' })
      .finalChatCompletion();
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
    const call = completion.choices[0]?.message.tool_calls?.[0];
    expect(call?.type === 'function' && JSON.parse(call.function.arguments)).toEqual({ city: 'demo', days: 1 });
  });

  it('is called by Responses, streamed', async () => {
    const client = new OpenAI({ baseURL: `${target.url}/v1`, apiKey: target.key });
    const response = await client.responses
      .stream({
        model: 'gpt-5',
        input: 'x',
        tools: [{ type: 'function', name: 'weather', parameters: schema, strict: false }],
        tool_choice: { type: 'function', name: 'weather' },
      })
      .finalResponse();
    const [item] = response.output;
    expect(item?.type === 'function_call' && JSON.parse(item.arguments)).toEqual({ city: 'demo', days: 1 });
  });

  it('is called by Gemini', async () => {
    const client = new GoogleGenAI({ apiKey: target.key, httpOptions: { baseUrl: target.url } });
    const { functionCalls } = await client.models.generateContent({
      model: 'gemini-2.5-flash',
      contents: 'x',
      config: {
        tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: schema }] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      },
    });
    expect(functionCalls?.[0]).toMatchObject({ name: 'weather', args: { city: 'demo', days: 1 } });
  });
});

describe('what else clients ask for', () => {
  it('a maximum of tokens is kept to, and said', async () => {
    const client = new Anthropic({ baseURL: target.url, apiKey: target.key });
    const message = await client.messages.create({ model: 'claude-sonnet-5-5', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] });
    expect(message.stop_reason).toBe('max_tokens');
    expect(message.usage.output_tokens).toBeLessThanOrEqual(5);
  });

  it('text that follows a schema parses', async () => {
    const client = new OpenAI({ baseURL: `${target.url}/v1`, apiKey: target.key });
    const completion = await client.chat.completions.create({
      model: 'gpt-5',
      messages: [{ role: 'user', content: 'x' }],
      response_format: { type: 'json_schema', json_schema: { name: 'weather', schema } },
    });
    expect(JSON.parse(completion.choices[0]?.message.content ?? '')).toMatchObject({ city: expect.any(String), days: 1 });
  });

  it('tokens are counted', async () => {
    const client = new Anthropic({ baseURL: target.url, apiKey: target.key });
    const count = async (content: string) => (await client.messages.countTokens({ model: 'claude-sonnet-5-5', messages: [{ role: 'user', content }] })).input_tokens;
    expect(await count('word '.repeat(400))).toBeGreaterThan(await count('word '));
    const google = new GoogleGenAI({ apiKey: target.key, httpOptions: { baseUrl: target.url } });
    expect((await google.models.countTokens({ model: 'gemini-2.5-flash', contents: 'hello there' })).totalTokens).toBeGreaterThan(1);
  });

  it('models are listed, in each vendor\'s shape', async () => {
    const client = new Anthropic({ baseURL: target.url, apiKey: target.key });
    const openai = new OpenAI({ baseURL: `${target.url}/v1`, apiKey: target.key });
    const google = new GoogleGenAI({ apiKey: target.key, httpOptions: { baseUrl: target.url } });
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('claude-sonnet-5-5');
    expect((await openai.models.list()).data.map(({ id }) => id)).toContain('gpt-5');
    const pager = await google.models.list();
    expect(pager.page.map(({ name }) => name)).toContain('models/gemini-2.5-flash');
  });

  it('a Gemini stream without alt=sse is one JSON array', async () => {
    const response = await fetch(`${target.url}/v1beta/models/gemini-2.5-flash:streamGenerateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': target.key },
      body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'a\u2028b' }] }] }),
    });
    const text = await response.text();
    expect(text).not.toContain('\u2028');
    const chunks = JSON.parse(text) as { candidates: { finishReason?: string }[] }[];
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.at(-1)?.candidates[0]?.finishReason).toBe('STOP');
  });

  it('a broken request is refused', async () => {
    const post = (body: string) => fetch(`${target.url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': target.key }, body });
    expect((await post('{')).status).toBe(400);
    expect((await post('{"model":"m"}')).status).toBe(400);
    expect((await fetch(`${target.url}/v1/nothing`, { headers: { 'x-api-key': target.key } })).status).toBe(404);
  });

  it('200 streams at once are all answered', async () => {
    const send = conversations['Anthropic Messages, stream'];
    const texts = await Promise.all(Array.from({ length: 200 }, async (_, index) => (await send?.(target, `number ${index}`))?.text));
    expect(texts.every((text, index) => text?.includes(`number ${index}"`))).toBe(true);
  });
});
