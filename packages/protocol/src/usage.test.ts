import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { geminiAnswers, samples } from '../test/samples.ts';
import { dialects, emptyUsage, parseUsage, usageTotal } from './index.ts';
import type { Dialect, Usage } from './index.ts';

function usage(parts: Partial<Usage>): Usage {
  return { ...emptyUsage(), ...parts };
}

const anthropicParts = { input: 120, output: 42, cacheRead: 3000, cacheWrite5m: 150, cacheWrite1h: 50 };
const anthropicUsage = {
  input_tokens: 120,
  output_tokens: 42,
  cache_creation_input_tokens: 200,
  cache_read_input_tokens: 3000,
  cache_creation: { ephemeral_5m_input_tokens: 150, ephemeral_1h_input_tokens: 50 },
};
const chatParts = { input: 296, output: 42, cacheRead: 1024, reasoning: 10 };
const chatUsage = {
  prompt_tokens: 1320,
  completion_tokens: 42,
  total_tokens: 1362,
  prompt_tokens_details: { cached_tokens: 1024, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 10, audio_tokens: 0 },
};
const responsesUsage = {
  input_tokens: 1320,
  input_tokens_details: { cached_tokens: 1024 },
  output_tokens: 42,
  output_tokens_details: { reasoning_tokens: 10 },
  total_tokens: 1362,
};
const geminiUsage = {
  promptTokenCount: 1320,
  cachedContentTokenCount: 1024,
  candidatesTokenCount: 32,
  thoughtsTokenCount: 10,
  totalTokenCount: 1362,
};

describe('one usage object', () => {
  const cases: [string, Dialect, unknown, Partial<Usage> | undefined][] = [
    ['Anthropic', 'anthropic', { usage: anthropicUsage }, anthropicParts],
    ['Anthropic, thinking', 'anthropic', { usage: { output_tokens: 9, output_tokens_details: { thinking_tokens: 5 } } }, { output: 9, reasoning: 5 }],
    [
      'Anthropic, no lifetimes',
      'anthropic',
      { usage: { input_tokens: 1, output_tokens: 2, cache_creation_input_tokens: 30 } },
      { input: 1, output: 2, cacheWriteUnsplit: 30 },
    ],
    [
      'Anthropic, lifetimes of a part',
      'anthropic',
      { usage: { input_tokens: 1, cache_creation_input_tokens: 30, cache_creation: { ephemeral_1h_input_tokens: 10 } } },
      { input: 1, cacheWrite1h: 10, cacheWriteUnsplit: 20 },
    ],
    [
      'Anthropic, lifetimes without a total',
      'anthropic',
      { usage: { input_tokens: 1, cache_creation: { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 8 } } },
      { input: 1, cacheWrite5m: 7, cacheWrite1h: 8 },
    ],
    [
      'relay names, the first that is there wins per lifetime',
      'anthropic',
      {
        usage: {
          input_tokens: 1,
          cache_creation: { ephemeral_5m_input_tokens: 5 },
          cache_creation_5m_input_tokens: 6,
          cache_creation_1h_input_tokens: 7,
          claude_cache_creation_5_m_tokens: 8,
          claude_cache_creation_1_h_tokens: 9,
        },
      },
      { input: 1, cacheWrite5m: 5, cacheWrite1h: 7 },
    ],
    [
      'relay names alone',
      'anthropic',
      { usage: { input_tokens: 1, claude_cache_creation_5_m_tokens: 8, claude_cache_creation_1_h_tokens: 9 } },
      { input: 1, cacheWrite5m: 8, cacheWrite1h: 9 },
    ],
    [
      'Anthropic, compaction is billed beside the rest',
      'anthropic',
      {
        usage: {
          input_tokens: 10,
          output_tokens: 20,
          iterations: [
            { type: 'compaction', input_tokens: 1, output_tokens: 2, cache_read_input_tokens: 3, cache_creation_input_tokens: 4 },
            { type: 'message', input_tokens: 10, output_tokens: 20 },
          ],
        },
      },
      { input: 11, output: 22, cacheRead: 3, cacheWriteUnsplit: 4 },
    ],
    ['Chat', 'openai-chat', { usage: chatUsage }, chatParts],
    ['Chat, no details', 'openai-chat', { usage: { prompt_tokens: 5, completion_tokens: 6 } }, { input: 5, output: 6 }],
    ['embeddings', 'openai-chat', { usage: { prompt_tokens: 8, total_tokens: 8 } }, { input: 8 }],
    [
      'Chat, audio and images',
      'openai-chat',
      {
        usage: {
          prompt_tokens: 100,
          completion_tokens: 50,
          prompt_tokens_details: { audio_tokens: 30, image_tokens: 20 },
          completion_tokens_details: { audio_tokens: 40 },
        },
      },
      { input: 100, output: 50, inputAudio: 30, inputImage: 20, outputAudio: 40 },
    ],
    [
      'Chat, cache writes',
      'openai-chat',
      { usage: { prompt_tokens: 100, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 } } },
      { input: 10, output: 1, cacheRead: 60, cacheWriteUnsplit: 30 },
    ],
    ['DeepSeek', 'openai-chat', { usage: { prompt_tokens: 10, completion_tokens: 1, prompt_cache_hit_tokens: 4 } }, { input: 6, output: 1, cacheRead: 4 }],
    ['Moonshot', 'openai-chat', { choices: [{ usage: { prompt_tokens: 10, completion_tokens: 1, cached_tokens: 4 } }] }, { input: 6, output: 1, cacheRead: 4 }],
    ['Groq', 'openai-chat', { x_groq: { usage: { prompt_tokens: 10, completion_tokens: 1 } } }, { input: 10, output: 1 }],
    [
      'Chat, reasoning beside the completion',
      'openai-chat',
      { usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 40, completion_tokens_details: { reasoning_tokens: 25 } } },
      { input: 10, output: 30, reasoning: 25 },
    ],
    [
      'Chat, Anthropic cache fields inside the prompt',
      'openai-chat',
      {
        usage: {
          prompt_tokens: 3320,
          completion_tokens: 42,
          total_tokens: 3362,
          cache_read_input_tokens: 3000,
          cache_creation_input_tokens: 200,
        },
      },
      { input: 120, output: 42, cacheRead: 3000, cacheWriteUnsplit: 200 },
    ],
    [
      'Chat, Anthropic cache fields beside the prompt',
      'openai-chat',
      { usage: { prompt_tokens: 120, completion_tokens: 42, cache_read_input_tokens: 3000, cache_creation_input_tokens: 200 } },
      { input: 120, output: 42, cacheRead: 3000, cacheWriteUnsplit: 200 },
    ],
    [
      'Chat, cached tokens beside the prompt, as the total shows',
      'openai-chat',
      { usage: { prompt_tokens: 50, completion_tokens: 5, total_tokens: 95, prompt_tokens_details: { cached_tokens: 40 } } },
      { input: 50, output: 5, cacheRead: 40 },
    ],
    ['Responses', 'openai-responses', { usage: responsesUsage }, chatParts],
    ['Responses, in an event', 'openai-responses', { type: 'response.incomplete', response: { usage: responsesUsage } }, chatParts],
    [
      'Responses, cache writes',
      'openai-responses',
      { usage: { input_tokens: 100, output_tokens: 1, input_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 } } },
      { input: 10, output: 1, cacheRead: 60, cacheWriteUnsplit: 30 },
    ],
    [
      'Responses, Anthropic name for the cached part',
      'openai-responses',
      { usage: { input_tokens: 1320, output_tokens: 1, cache_read_input_tokens: 1024 } },
      { input: 296, output: 1, cacheRead: 1024 },
    ],
    ['Responses, usage of an item', 'openai-responses', { output: [{ type: 'x', usage: { input_tokens: 3, output_tokens: 4 } }] }, { input: 3, output: 4 }],
    ['Gemini', 'gemini', { usageMetadata: geminiUsage }, chatParts],
    ['Code Assist', 'gemini', { response: { usageMetadata: geminiUsage } }, chatParts],
    [
      'Gemini, tool results and modalities',
      'gemini',
      {
        usageMetadata: {
          promptTokenCount: 100,
          cachedContentTokenCount: 40,
          toolUsePromptTokenCount: 7,
          candidatesTokenCount: 1300,
          promptTokensDetails: [
            { modality: 'TEXT', tokenCount: 30 },
            { modality: 'IMAGE', tokenCount: 50 },
            { modality: 'AUDIO', tokenCount: 20 },
          ],
          cacheTokensDetails: [{ modality: 'IMAGE', tokenCount: 40 }],
          candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1290 }],
        },
      },
      { input: 67, output: 1300, cacheRead: 40, inputImage: 10, inputAudio: 20, outputImage: 1290 },
    ],
    ['Anthropic in Chat', 'openai-chat', { usage: anthropicUsage }, anthropicParts],
    ['Anthropic in Gemini', 'gemini', { usage: anthropicUsage }, anthropicParts],
    ['Anthropic in Responses', 'openai-responses', { usage: anthropicUsage }, anthropicParts],
    ['Chat in Anthropic', 'anthropic', { usage: chatUsage }, chatParts],
    ['Chat in Responses', 'openai-responses', { response: { usage: chatUsage } }, chatParts],
    ['Chat in Gemini', 'gemini', { usage: chatUsage }, chatParts],
    ['Responses in Anthropic', 'anthropic', { usage: responsesUsage }, chatParts],
    ['Responses in Chat', 'openai-chat', { usage: responsesUsage }, chatParts],
    ['Gemini in Anthropic', 'anthropic', { usageMetadata: geminiUsage }, chatParts],
    ['Gemini in Chat', 'openai-chat', { usageMetadata: geminiUsage }, chatParts],
    ['both names, one of them zero', 'openai-chat', { usage: { ...chatUsage, input_tokens: 0, output_tokens: 0 } }, chatParts],
    ['both names, the own zero', 'anthropic', { usage: { ...chatUsage, input_tokens: 0, output_tokens: 0 } }, chatParts],
    ['all zero is usage', 'openai-chat', { usage: { prompt_tokens: 0, completion_tokens: 0 } }, {}],
    ['null', 'anthropic', { usage: null }, undefined],
    ['empty', 'openai-chat', { usage: {} }, undefined],
    ['nothing known', 'openai-responses', { usage: { seconds: 3 } }, undefined],
    ['a token count is no usage', 'anthropic', { input_tokens: 120 }, undefined],
  ];

  it.each(cases)('%s (%s)', (_, dialect, body, parts) => {
    expect(parseUsage(dialect, body)).toEqual(parts === undefined ? undefined : usage(parts));
  });

  it('strings count, and what is no number of things is nothing', () => {
    const parse = (fields: unknown) => parseUsage('anthropic', { usage: fields });
    expect(parse({ input_tokens: '12', output_tokens: ' 3 ' })).toEqual(usage({ input: 12, output: 3 }));
    expect(parse({ input_tokens: -5, output_tokens: 3.9 })).toEqual(usage({ output: 3 }));
    expect(parse({ input_tokens: 'x', output_tokens: 1, cache_read_input_tokens: null })).toEqual(usage({ output: 1 }));
    expect(parse({ input_tokens: 1e300, output_tokens: {} })?.input).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('more cached than prompted leaves no fresh input', () => {
    expect(parseUsage('openai-chat', { usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } } })).toEqual(
      usage({ output: 1, cacheRead: 9 }),
    );
    expect(parseUsage('gemini', { usageMetadata: { promptTokenCount: 5, cachedContentTokenCount: 9 } })).toEqual(usage({ cacheRead: 9 }));
    expect(parseUsage('openai-responses', { usage: { input_tokens: 5, input_tokens_details: { cached_tokens: 9 } } })).toEqual(usage({ cacheRead: 9 }));
  });

  it('shares never exceed their whole', () => {
    const fields = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 };
    const details = { audio_tokens: 900, image_tokens: 900, reasoning_tokens: 900 };
    const parsed = parseUsage('openai-chat', { usage: { ...fields, prompt_tokens_details: details, completion_tokens_details: details } });
    expect(parsed).toEqual(usage({ input: 10, output: 10, inputImage: 10, outputImage: 10 }));
  });
});

describe('usage over several payloads', () => {
  const start = (fields: unknown) => ({ type: 'message_start', message: { usage: fields } });
  const delta = (fields: unknown) => ({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: fields });
  const cases: [string, Dialect, unknown[], Partial<Usage>][] = [
    ['start alone', 'anthropic', [start({ ...anthropicUsage, output_tokens: 1 })], { ...anthropicParts, output: 1 }],
    ['delta adds the output', 'anthropic', [start({ ...anthropicUsage, output_tokens: 1 }), delta({ output_tokens: 42 })], anthropicParts],
    [
      'delta wins per field',
      'anthropic',
      [start({ input_tokens: 100, output_tokens: 1, cache_read_input_tokens: 5 }), delta({ input_tokens: 90, output_tokens: 7 })],
      { input: 90, output: 7, cacheRead: 5 },
    ],
    ['the last delta wins', 'anthropic', [start({ input_tokens: 1 }), delta({ output_tokens: 5 }), delta({ output_tokens: 9 })], { input: 1, output: 9 }],
    ['null does not win', 'anthropic', [start({ input_tokens: 100 }), delta({ input_tokens: null, output_tokens: 7 })], { input: 100, output: 7 }],
    [
      'zeros without any input do not erase',
      'anthropic',
      [start(anthropicUsage), delta({ input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 50 })],
      { ...anthropicParts, output: 50 },
    ],
    [
      'zeros beside a figure do',
      'anthropic',
      [start({ input_tokens: 3000, output_tokens: 1 }), delta({ input_tokens: 0, cache_read_input_tokens: 3000, output_tokens: 50 })],
      { output: 50, cacheRead: 3000 },
    ],
    [
      'lifetimes stay when the total is repeated',
      'anthropic',
      [start(anthropicUsage), delta({ input_tokens: 120, cache_creation_input_tokens: 200, cache_read_input_tokens: 3000, output_tokens: 42 })],
      anthropicParts,
    ],
    [
      'lifetimes go with a smaller total',
      'anthropic',
      [start(anthropicUsage), delta({ input_tokens: 120, cache_creation_input_tokens: 20, output_tokens: 42 })],
      { input: 120, output: 42, cacheRead: 3000, cacheWriteUnsplit: 20 },
    ],
    ['usage within delta', 'anthropic', [start({ input_tokens: 1 }), { type: 'message_delta', delta: { usage: { output_tokens: 5 } } }], { input: 1, output: 5 }],
    ['start with usage at its top', 'anthropic', [{ type: 'message_start', usage: { input_tokens: 3 } }], { input: 3 }],
    [
      'the delta speaks another dialect',
      'anthropic',
      [start({ input_tokens: 0, output_tokens: 1 }), delta({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 })],
      { input: 10, output: 5 },
    ],
    ['neither start nor delta: what there is', 'anthropic', [{ type: 'x', usage: anthropicUsage }], anthropicParts],
    ['the last one wins', 'gemini', [...geminiAnswers], chatParts],
    ['nulls and zeros after it do not', 'openai-chat', [{ usage: chatUsage }, { usage: null }, { usage: { prompt_tokens: 0 } }], chatParts],
    ['a list of events in data', 'openai-chat', [{ data: { usage: chatUsage } }], chatParts],
  ];

  it.each(cases)('%s (%s)', (_, dialect, payloads, parts) => {
    expect(parseUsage(dialect, payloads)).toEqual(usage(parts));
  });

  it.each(dialects)('%s: the sample stream', (dialect) => {
    const payloads = samples[dialect].filter((event) => event.data !== '[DONE]').map((event) => JSON.parse(event.data) as unknown);
    const expected = dialect === 'anthropic' ? { ...anthropicParts, cacheWrite1h: 40, cacheWriteUnsplit: 10 } : chatParts;
    expect(parseUsage(dialect, payloads)).toEqual(usage(expected));
  });
});

describe('properties', () => {
  const tokens = fc.nat(1_000_000);

  function whole(parsed: Usage | undefined): number {
    expect(parsed).toBeDefined();
    return parsed === undefined ? -1 : usageTotal(parsed);
  }

  it('Anthropic: the parts are the fields', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, tokens, (input, output, read, five, hour) => {
        const split = { ephemeral_5m_input_tokens: five, ephemeral_1h_input_tokens: hour };
        const cache = { cache_read_input_tokens: read, cache_creation_input_tokens: five + hour, cache_creation: split };
        expect(whole(parseUsage('anthropic', { usage: { input_tokens: input, output_tokens: output, ...cache } }))).toBe(
          input + output + read + five + hour,
        );
      }),
    );
  });

  it('OpenAI: the parts make the total', () => {
    fc.assert(
      fc.property(tokens, tokens, fc.double({ min: 0, max: 0.5, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (input, output, share, part) => {
        const details = { cached_tokens: Math.floor(input * share), cache_write_tokens: Math.floor(input * share) };
        const outputDetails = { reasoning_tokens: Math.floor(output * part) };
        const total = input + output;
        const chatBody = { prompt_tokens: input, completion_tokens: output, total_tokens: total, prompt_tokens_details: details, completion_tokens_details: outputDetails };
        const responsesBody = { input_tokens: input, output_tokens: output, total_tokens: total, input_tokens_details: details, output_tokens_details: outputDetails };
        expect(whole(parseUsage('openai-chat', { usage: chatBody }))).toBe(total);
        expect(whole(parseUsage('openai-responses', { usage: responsesBody }))).toBe(total);
      }),
    );
  });

  it('Gemini: the parts make the total', () => {
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, fc.double({ min: 0, max: 1, noNaN: true }), (prompt, candidates, thoughts, tool, share) => {
        const fields = {
          promptTokenCount: prompt,
          cachedContentTokenCount: Math.floor(prompt * share),
          candidatesTokenCount: candidates,
          thoughtsTokenCount: thoughts,
          toolUsePromptTokenCount: tool,
        };
        expect(whole(parseUsage('gemini', { usageMetadata: fields }))).toBe(prompt + candidates + thoughts + tool);
      }),
    );
  });

  it('nothing throws and nothing is ever negative, fractional or no number', () => {
    const names = [...Object.keys(anthropicUsage), ...Object.keys(chatUsage), ...Object.keys(responsesUsage), ...Object.keys(geminiUsage)];
    const value = fc.oneof(fc.jsonValue(), fc.integer(), fc.double(), fc.constantFrom('1', '', null, '-3', 'NaN', '1e999'));
    const fields = fc.dictionary(fc.constantFrom(...names, 'iterations', 'cached_tokens'), value);
    const body = fc.oneof(
      fc.jsonValue(),
      fields.map((inner) => ({ usage: inner })),
      fields.map((inner) => ({ usageMetadata: inner })),
      fc.tuple(fields, fields).map(([first, second]) => [
        { type: 'message_start', message: { usage: first } },
        { type: 'message_delta', usage: second },
      ]),
    );
    fc.assert(
      fc.property(body, fc.constantFrom(...dialects), (payload, dialect) => {
        const parsed = parseUsage(dialect, payload);
        for (const part of Object.values(parsed ?? {})) expect(Number.isInteger(part) && part >= 0).toBe(true);
        if (parsed === undefined) return;
        expect(parsed.reasoning + parsed.outputImage + parsed.outputAudio).toBeLessThanOrEqual(parsed.output);
        expect(parsed.inputImage + parsed.inputAudio).toBeLessThanOrEqual(parsed.input);
      }),
    );
  });
});
