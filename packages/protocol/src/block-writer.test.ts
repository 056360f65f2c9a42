import { describe, expect, it } from 'vitest';
import { BlockWriter } from './block-writer.ts';

function writer(): BlockWriter {
  return new BlockWriter({ origin: 'openai-chat', data: '' });
}

function story(blocks: BlockWriter): string[] {
  return blocks.take().map((event) => ('text' in event ? `${event.type} ${event.text}` : event.type === 'tool-start' ? `tool-start ${event.id}` : event.type));
}

describe('BlockWriter', () => {
  it('opens a block with its first character and closes it with the next kind', () => {
    const blocks = writer();
    blocks.text('');
    expect(blocks.contentSeen).toBe(false);
    blocks.reasoning('a');
    blocks.reasoning('b');
    blocks.text('c');
    blocks.close();
    expect(story(blocks)).toEqual(['reasoning-start', 'reasoning-delta a', 'reasoning-delta b', 'reasoning-end', 'text-start', 'text-delta c', 'text-end']);
    expect(blocks.take()).toEqual([]);
  });

  it('a call that begins before another is whole waits for it', () => {
    const blocks = writer();
    blocks.startTool(0, { id: 'a', name: 'f' });
    blocks.toolInput(0, '{"x":"}"');
    blocks.startTool(1, { id: 'b', name: 'g' });
    blocks.toolInput(1, '{"y":');
    blocks.startTool(2, { id: 'c', name: 'h' });
    blocks.toolInput(2, '{}');
    expect(blocks.toolInput(0, '}')).toBe(true);
    expect(blocks.toolInput(1, '1}')).toBe(true);
    blocks.close();
    expect(story(blocks)).toEqual([
      'tool-start a', 'tool-delta {"x":"}"', 'tool-delta }', 'tool-end',
      'tool-start b', 'tool-delta {"y":', 'tool-delta 1}', 'tool-end',
      'tool-start c', 'tool-delta {}', 'tool-end',
    ]);
  });

  it('a piece for a call that is over cannot be put in order, white space may be lost', () => {
    const blocks = writer();
    blocks.startTool(0, { id: 'a', name: 'f' });
    blocks.toolInput(0, '{}');
    blocks.startTool(1, { id: 'b', name: 'g' });
    expect(blocks.toolInput(0, ' \n')).toBe(true);
    expect(blocks.toolInput(0, ',1')).toBe(false);
  });

  it('a queue that grows too long is given up', () => {
    const blocks = writer();
    blocks.startTool(0, { id: 'a', name: 'f' });
    blocks.toolInput(0, '{');
    blocks.startTool(1, { id: 'b', name: 'g' });
    expect(blocks.toolInput(1, 'x'.repeat(64 * 1024))).toBe(true);
    expect(blocks.toolInput(1, 'x')).toBe(false);
  });

  it('a call without arguments gets an empty object, one of free text nothing', () => {
    const blocks = writer();
    blocks.startTool(0, { id: 'a', name: 'f' });
    blocks.startTool(1, { id: 'b', name: 'g', custom: true });
    blocks.close();
    expect(story(blocks)).toEqual(['tool-start a', 'tool-delta {}', 'tool-end', 'tool-start b', 'tool-end']);
  });

  it('a seal without reasoning gets a block of its own', () => {
    const blocks = writer();
    blocks.text('a');
    blocks.seal({ origin: 'gemini', data: 'x' });
    expect(blocks.take().slice(-2)).toEqual([{ type: 'reasoning-start' }, { type: 'reasoning-end', seal: { origin: 'gemini', data: 'x' } }]);
  });
});
