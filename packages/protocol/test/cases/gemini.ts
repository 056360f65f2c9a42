import { dataFrames, pixel, unicodeText, weatherSchema } from './names.ts';
import type { DialectCases } from './names.ts';

const model = 'gemini-2.5-pro';
const tools = [{ functionDeclarations: [{ name: 'get_weather', description: 'Current weather of a city', parametersJsonSchema: weatherSchema }] }];
const usageMetadata = { promptTokenCount: 150, cachedContentTokenCount: 100, candidatesTokenCount: 8, thoughtsTokenCount: 4, totalTokenCount: 162 };

type Part = Record<string, unknown>;

function asked(parts: readonly Part[], more: object = {}): unknown {
  return { contents: [{ role: 'user', parts }], ...more };
}

function answered(parts: readonly Part[], finishReason: string): unknown {
  return { candidates: [{ content: { parts, role: 'model' }, finishReason, index: 0 }], usageMetadata, modelVersion: model, responseId: 'gem_01' };
}

function streamed(chunks: readonly (readonly Part[])[], finishReason: string): string {
  const frames: object[] = chunks.map((parts) => ({
    candidates: [{ content: { parts, role: 'model' }, index: 0 }],
    usageMetadata: { promptTokenCount: 150, cachedContentTokenCount: 100, totalTokenCount: 150 },
    modelVersion: model,
    responseId: 'gem_01',
  }));
  return dataFrames([...frames, { candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason, index: 0 }], usageMetadata, modelVersion: model, responseId: 'gem_01' }]);
}

function spoken(...pieces: string[]): { answer: unknown; frames: string } {
  return { answer: answered([{ text: pieces.join('') }], 'STOP'), frames: streamed(pieces.map((text) => [{ text }]), 'STOP') };
}

function call(city: string, id?: string): Part {
  return { functionCall: { ...(id === undefined ? {} : { id }), name: 'get_weather', args: { city } } };
}

export const geminiCases: DialectCases = {
  text: {
    request: asked([{ text: 'What is the capital of France?' }], {
      systemInstruction: { role: 'user', parts: [{ text: 'Answer in one sentence.' }] },
      generationConfig: { temperature: 1.5, topP: 0.9, topK: 40, maxOutputTokens: 256, seed: 7 },
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
    }),
    ...spoken('The capital of ', 'France is Paris.'),
  },
  image: {
    request: asked([
      { inlineData: { mimeType: 'image/png', data: pixel } },
      { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/cat.png' } },
      { text: 'What is in these images?' },
    ]),
    ...spoken('A red pixel', ' and a cat.'),
  },
  'one-tool': {
    request: asked([{ text: 'Weather in Paris?' }], { tools, toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['get_weather'] } } }),
    answer: answered([{ text: 'I will look.' }, { ...call('Paris, FR'), thoughtSignature: 'c2lnLWc=' }], 'STOP'),
    frames: streamed([[{ text: 'I will look.' }], [{ ...call('Paris, FR'), thoughtSignature: 'c2lnLWc=' }]], 'STOP'),
  },
  'parallel-tools': {
    request: asked([{ text: 'Weather in Paris and Rome?' }], { tools }),
    answer: answered([call('Paris'), call('Rome')], 'STOP'),
    frames: streamed([[call('Paris'), call('Rome')]], 'STOP'),
  },
  'tool-result': {
    request: {
      tools,
      contents: [
        { role: 'user', parts: [{ text: 'Weather in Paris and Rome?' }] },
        { role: 'model', parts: [{ text: 'I will look.' }, call('Paris'), call('Rome')] },
        {
          role: 'user',
          parts: [
            { functionResponse: { name: 'get_weather', response: { output: 'Sunny, 21 °C' } } },
            { functionResponse: { name: 'get_weather', response: { error: 'no such city' } } },
            { inlineData: { mimeType: 'image/png', data: pixel } },
          ],
        },
        { role: 'user', parts: [{ text: 'Go on.' }] },
      ],
    },
    ...spoken('Paris is sunny; ', 'Rome was not found.'),
  },
  thinking: {
    request: {
      contents: [
        { role: 'user', parts: [{ text: 'What is 17 × 23?' }] },
        { role: 'model', parts: [{ text: '17 × 20 + 17 × 3', thought: true }, { text: '391' }] },
        { role: 'user', parts: [{ text: 'And 18 × 23?' }] },
      ],
      generationConfig: { thinkingConfig: { includeThoughts: true, thinkingBudget: 8000 } },
    },
    answer: answered([{ text: '391 + 23', thought: true }, { text: '414', thoughtSignature: 'c2lnLWc=' }], 'STOP'),
    frames: streamed([[{ text: '391 ', thought: true }], [{ text: '+ 23', thought: true }], [{ text: '414' }]], 'STOP'),
  },
  'stop-reason': {
    request: asked([{ text: 'Count to five.' }], { generationConfig: { stopSequences: ['4'], responseMimeType: 'application/json', responseSchema: { type: 'OBJECT', properties: { numbers: { type: 'ARRAY', items: { type: 'INTEGER' }, nullable: true } } } } }),
    answer: answered([{ text: '1 2 3 ' }], 'SAFETY'),
    frames: streamed([[{ text: '1 2 ' }], [{ text: '3 ' }]], 'SAFETY'),
  },
  'max-tokens': {
    request: asked([{ text: 'Tell a long story.' }], { generationConfig: { maxOutputTokens: 12 } }),
    answer: answered([{ text: 'Once upon a' }], 'MAX_TOKENS'),
    frames: streamed([[{ text: 'Once upon' }], [{ text: ' a' }]], 'MAX_TOKENS'),
  },
  'error-mid-stream': {
    request: asked([{ text: 'Hello' }]),
    answer: { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } },
    frames: dataFrames([
      { candidates: [{ content: { parts: [{ text: 'Hel' }], role: 'model' }, index: 0 }], modelVersion: model, responseId: 'gem_01' },
      { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } },
    ]),
  },
  empty: {
    request: asked([{ text: 'Say nothing.' }]),
    answer: answered([{ text: '' }], 'STOP'),
    frames: streamed([], 'STOP'),
  },
  unicode: {
    request: asked([{ text: unicodeText }], { tools }),
    answer: answered([{ text: unicodeText }, call('São Paulo 🌧 \u2028')], 'STOP'),
    frames: streamed([...unicodeText.split(/(?<= )/).map((text) => [{ text }]), [call('São Paulo 🌧 \u2028')]], 'STOP'),
  },
};
