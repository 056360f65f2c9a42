import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatEvent } from './chat.ts';
import { dialects } from './dialect.ts';
import { DropLog } from './drops.ts';
import { ToolNaming, restoreTools } from './tool-names.ts';
import { collect } from './transducer.ts';

describe('names on the wire', () => {
  it('are legal, different for different tools, and lead back', () => {
    const tool = fc.record({ name: fc.string({ minLength: 1, maxLength: 90 }), namespace: fc.option(fc.constantFrom('functions', 'mcp__a', 'mcp__b__'), { nil: undefined }) });
    fc.assert(
      fc.property(fc.uniqueArray(tool, { selector: ({ name, namespace }) => `${namespace ?? ''}/${name}` }), fc.constantFrom(...dialects), (tools, target) => {
        const naming = new ToolNaming(target);
        const wires = tools.map(({ name, namespace }) => naming.wire(name, namespace));
        expect(new Set(wires).size).toBe(tools.length);
        for (const [index, wire] of wires.entries()) {
          expect(wire).toMatch(target === 'gemini' ? /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/ : /^[a-zA-Z0-9_-]{1,64}$/);
          const original = naming.originals.get(wire) ?? { name: wire };
          expect(original.name).toBe(tools[index]?.name);
          if (tools[index]?.namespace !== undefined) expect(original.namespace).toBe(tools[index].namespace);
        }
      }),
    );
  });

  it('tools that would share a name are numbered', () => {
    const naming = new ToolNaming('anthropic');
    expect([naming.wire('view'), naming.wire('view', 'functions'), naming.wire('view', 'functions')]).toEqual(['view', 'view_2', 'view_2']);
    expect(naming.originals.get('view_2')).toEqual({ name: 'view', namespace: 'functions' });
  });

  it('stay the same whatever else is in the request', () => {
    const long = 'a'.repeat(80);
    const alone = new ToolNaming('openai-chat');
    const among = new ToolNaming('openai-chat');
    among.declare([{ name: 'x' }, { name: `${long}b` }]);
    expect(among.wire(long)).toBe(alone.wire(long));
    expect(alone.wire('plain')).toBe('plain');
    expect(alone.originals.has('plain')).toBe(false);
  });
});

const start = (name: string, custom = false): ChatEvent => ({ type: 'tool-start', id: 'c', name, namespace: undefined, custom });
const delta = (text: string): ChatEvent => ({ type: 'tool-delta', text });
const end: ChatEvent = { type: 'tool-end' };
const names = new Map([['short', { name: 'long', namespace: 'n' }], ['exec', { name: 'exec', custom: true }]]);

function restored(events: ChatEvent[]): ChatEvent[] {
  return collect(restoreTools(names, 100, new DropLog('anthropic', 'openai-responses')), events);
}

describe('restoreTools', () => {
  it('gives names back and lets arguments pass', () => {
    expect(restored([start('short'), delta('{"a":'), delta('1}'), end])).toEqual([{ ...start('long'), namespace: 'n' }, delta('{"a":'), delta('1}'), end]);
    expect(restored([start('other'), delta('{}'), end])).toEqual([start('other'), delta('{}'), end]);
  });

  it('unpacks the text of a custom tool, but not of one that the upstream streams as text', () => {
    expect(restored([start('exec'), delta('{"input":'), delta('"a\\nb"}'), end])).toEqual([start('exec', true), delta('a\nb'), end]);
    expect(restored([start('exec', true), delta('raw'), end])).toEqual([start('exec', true), delta('raw'), end]);
  });

  it('bounds what it holds', () => {
    expect(restored([start('exec'), delta('x'.repeat(101))])).toMatchObject([{ type: 'error' }]);
  });
});
