import { describe, expect, it } from 'vitest';
import type { Part, Turn } from './chat.ts';
import { DropLog } from './drops.ts';
import { asReminders, settleTurns } from './turns.ts';

const text = (value: string): Part => ({ type: 'text', text: value });
const call = (id: string): Part => ({ type: 'tool-call', id, name: `tool_${id}`, input: '{}' });
const result = (id: string, value = 'ok'): Part => ({ type: 'tool-result', id, parts: [{ type: 'text', text: value }], failed: false });

function settled(turns: Turn[]): { turns: [string, ...string[]][]; codes: string[] } {
  const drops = new DropLog('openai-chat', 'anthropic');
  const show = (part: Part): string => {
    if (part.type === 'text') return part.text;
    if (part.type === 'tool-call') return `call ${part.id}`;
    return part.type === 'tool-result' ? `${part.failed ? 'failed' : 'result'} ${part.id} ${part.name ?? ''}` : part.type;
  };
  return { turns: settleTurns(turns, drops).map(({ role, parts }) => [role, ...parts.map(show)]), codes: drops.list.map((drop) => drop.code) };
}

describe('settleTurns', () => {
  it('puts results at the head of the turn after their calls, in the order of the calls', () => {
    const { turns, codes } = settled([
      { role: 'assistant', parts: [call('a'), call('b')] },
      { role: 'system', parts: [text('note')] },
      { role: 'user', parts: [text('words'), result('b')] },
      { role: 'user', parts: [result('a')] },
    ]);
    expect(turns).toEqual([['assistant', 'call a', 'call b'], ['user', 'result a tool_a', 'result b tool_b'], ['system', 'note'], ['user', 'words']]);
    expect(codes).toEqual([]);
  });

  it('joins neighbours of one role, drops what is empty, and never joins across results', () => {
    const { turns } = settled([
      { role: 'user', parts: [text('a')] },
      { role: 'user', parts: [text('')] },
      { role: 'user', parts: [text('b')] },
      { role: 'assistant', parts: [text('c')] },
      { role: 'assistant', parts: [call('x')] },
      { role: 'user', parts: [result('x')] },
      { role: 'assistant', parts: [text('d')] },
    ]);
    expect(turns).toEqual([['user', 'a', 'b'], ['assistant', 'c', 'call x'], ['user', 'result x tool_x'], ['assistant', 'd']]);
  });

  it('a call without a result gets one that says so, also at the very end', () => {
    expect(settled([{ role: 'assistant', parts: [call('a')] }])).toEqual({ turns: [['assistant', 'call a'], ['user', 'failed a tool_a']], codes: ['tool-result-missing'] });
  });

  it('ids that come again are told apart, each with its own result', () => {
    const { turns } = settled([
      { role: 'assistant', parts: [call('a')] },
      { role: 'user', parts: [text('no result yet')] },
      { role: 'assistant', parts: [call('a')] },
      { role: 'user', parts: [result('a')] },
    ]);
    expect(turns).toEqual([['assistant', 'call a'], ['user', 'failed a tool_a', 'no result yet'], ['assistant', 'call a_2'], ['user', 'result a_2 tool_a']]);
  });

  it('a result of nothing stays as words, where it stood', () => {
    const { turns, codes } = settled([{ role: 'user', parts: [result('z', 'found')] }, { role: 'assistant', parts: [call('z')] }]);
    expect(turns[0]).toEqual(['user', '[Result of tool call z]', 'found']);
    expect(codes).toEqual(['tool-result-orphan', 'tool-result-missing']);
  });
});

it('asReminders makes one turn of the user of what he says and what is said to him', () => {
  const drops = new DropLog('anthropic', 'gemini');
  const turns: Turn[] = [{ role: 'user', parts: [text('a')] }, { role: 'system', parts: [text('s')] }, { role: 'user', parts: [text('b')] }];
  expect(asReminders(turns, drops)).toEqual([{ role: 'user', parts: [text('a'), text('<system-reminder>\ns\n</system-reminder>'), text('b')] }]);
  expect(turns[0]?.parts).toHaveLength(1);
});
