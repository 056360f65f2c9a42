import { describe, expect, it } from 'vitest';
import { encodeModelList } from './index.ts';

describe('the list of models', () => {
  it('OpenAI, with owners by name', () => {
    const ids = ['claude-x', 'gpt-4o', 'o1-mini', 'o3', 'gemini-2.5-pro', 'deepseek-chat', 'qwen3', 'llama'];
    const list = encodeModelList('openai', ids, 1795416350) as { object: string; data: { id: string; owned_by: string }[] };
    expect(list.object).toBe('list');
    expect(list.data[1]).toEqual({ id: 'gpt-4o', object: 'model', created: 1795416350, owned_by: 'openai' });
    expect(list.data.map((model) => model.owned_by)).toEqual([
      'anthropic',
      'openai',
      'openai',
      'openai',
      'google',
      'deepseek',
      'alibaba',
      'unknown',
    ]);
  });

  it('Anthropic', () => {
    expect(encodeModelList('anthropic', ['claude-x'], 1795416350)).toEqual({
      data: [{ id: 'claude-x', type: 'model', display_name: 'claude-x', created_at: '2026-11-23T06:45:50.000Z' }],
      has_more: false,
    });
  });

  it('Gemini', () => {
    expect(encodeModelList('gemini', ['gemini-2.5-pro'], 0)).toEqual({
      models: [{ name: 'models/gemini-2.5-pro', displayName: 'gemini-2.5-pro', supportedGenerationMethods: ['generateContent'] }],
    });
  });

  it('may be empty', () => {
    expect(encodeModelList('openai', [], 1)).toEqual({ object: 'list', data: [] });
  });
});
