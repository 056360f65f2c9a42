import { describe, expect, it } from 'vitest';
import { anthropicTraits, budgetOfEffort, effortOfBudget, geminiTraits, nearestEffort, openAiTraits } from './traits.ts';

describe('what models take', () => {
  it.each([
    ['claude-3-opus-20240229', 'none', 'both', 4096],
    ['claude-3-5-sonnet-20241022', 'none', 'both', 8192],
    ['claude-3-7-sonnet-latest', 'budget', 'both', 32_000],
    ['claude-sonnet-4-20250514', 'budget', 'both', 32_000],
    ['claude-opus-4-1-20250805', 'budget', 'one', 32_000],
    ['anthropic.claude-sonnet-4-5-20250929-v1:0', 'budget', 'one', 32_000],
    ['claude-opus-4-6', 'adaptive', 'one', 32_000],
    ['claude-opus-4-8', 'adaptive', 'none', 32_000],
    ['claude-opus-5-5', 'adaptive', 'none', 32_000],
    ['claude-fable-5', 'adaptive', 'none', 32_000],
    ['glm-4.6', 'budget', 'both', 32_000],
  ])('%s', (model, thinking, sampling, defaultMaxTokens) => {
    expect(anthropicTraits(model)).toMatchObject({ thinking, sampling, defaultMaxTokens });
  });

  it.each([
    ['gpt-4o', true, []],
    ['openai/gpt-5', true, ['minimal', 'low', 'medium', 'high']],
    ['gpt-5-chat-latest', true, []],
    ['gpt-5-codex', true, ['low', 'medium', 'high']],
    ['gpt-5.1', true, ['none', 'low', 'medium', 'high']],
    ['gpt-5.2-codex', true, ['none', 'low', 'medium', 'high', 'xhigh']],
    ['gpt-6-sol', true, ['none', 'low', 'medium', 'high', 'xhigh']],
    ['o4-mini', true, ['low', 'medium', 'high']],
    ['gpt-oss-120b', false, ['low', 'medium', 'high']],
    ['deepseek-reasoner', false, ['low', 'medium', 'high']],
  ])('%s', (model, official, efforts) => {
    expect(openAiTraits(model)).toMatchObject({ official, efforts });
  });

  it.each([
    ['gemini-2.0-flash', 'none', false],
    ['gemini-2.5-flash-lite', 'budget', false],
    ['gemini-3-pro-preview', 'level', true],
    ['gemini-3.5-flash-lite', 'level', true],
    ['gemini-flash-latest', 'level', true],
    ['gemma-3-27b', 'none', false],
  ])('%s', (model, thinking, third) => {
    expect(geminiTraits(model)).toMatchObject({ thinking, third });
  });
});

describe('efforts', () => {
  it('the nearest is never less than wanted, unless there is no more', () => {
    expect(nearestEffort('minimal', ['none', 'low', 'high'])).toBe('low');
    expect(nearestEffort('medium', ['low', 'high'])).toBe('high');
    expect(nearestEffort('max', ['low', 'high'])).toBe('high');
    expect(nearestEffort('low', [])).toBeUndefined();
  });

  it.each(['low', 'medium', 'high'] as const)('%s is the same after a budget', (effort) => {
    expect(effortOfBudget(budgetOfEffort(effort))).toBe(effort);
  });
});
