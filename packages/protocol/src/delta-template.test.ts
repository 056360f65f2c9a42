import { describe, expect, it } from 'vitest';
import { DeltaTemplate } from './delta-template.ts';

function event(data: unknown, name = ''): { event: string; data: string } {
  return { event: name, data: JSON.stringify(data) };
}

function learned(data: unknown, text: string): DeltaTemplate {
  const template = new DeltaTemplate();
  template.learn(event(data), text);
  return template;
}

describe('a template', () => {
  it('matches what differs in the text only', () => {
    const template = learned({ a: 1, text: 'first', b: 2 }, 'first');
    expect(template.match(event({ a: 1, text: 'other 漢', b: 2 }))).toBe('other 漢');
    expect(template.match(event({ a: 1, text: '', b: 2 }))).toBe('');
    expect(template.match(event({ a: 2, text: 'first', b: 2 }))).toBeUndefined();
    expect(template.match(event({ a: 1, text: 'first', b: 3 }))).toBeUndefined();
    expect(template.match(event({ a: 1, text: 'first', b: 2, c: 3 }))).toBeUndefined();
    expect(template.match(event({ a: 1, text: 'first', b: 2 }, 'error'))).toBeUndefined();
  });

  it('matches nothing that has quotes or escapes, which could hide another structure', () => {
    const template = learned({ text: 'first', b: 2 }, 'first');
    expect(template.match(event({ text: 'a"b', b: 2 }))).toBeUndefined();
    expect(template.match(event({ text: 'a\nb', b: 2 }))).toBeUndefined();
    expect(template.match({ event: '', data: '{"text":"a","error":"x","b":2}' })).toBeUndefined();
  });

  it('is not learned where the text could stand in two places', () => {
    expect(learned({ model: 'm', text: 'm' }, 'm').match(event({ model: 'x', text: 'm' }))).toBeUndefined();
    expect(learned({ text: 'text' }, 'text').match(event({ text: 'other' }))).toBeUndefined();
  });

  it('is not learned from an event with escapes, in which the text could be written otherwise', () => {
    const template = new DeltaTemplate();
    template.learn({ event: '', data: '{"model":"ab","text":"\\u0061b"}' }, 'ab');
    expect(template.match({ event: '', data: '{"model":"xyz","text":"\\u0061b"}' })).toBeUndefined();
  });

  it('head and tail must not overlap', () => {
    const template = learned({ text: 'aa' }, 'aa');
    expect(template.match({ event: '', data: '{"text":"}' })).toBeUndefined();
  });

  it('is given up where every event differs, and kept where some fit', () => {
    const template = new DeltaTemplate();
    for (let index = 0; index < 100; index += 1) template.learn(event({ index, text: `t${index}` }), `t${index}`);
    expect(template.match(event({ index: 99, text: 'x' }))).toBeUndefined();
    const alternating = new DeltaTemplate();
    for (let index = 0; index < 100; index += 1) {
      alternating.learn(event({ block: index, text: 'first' }), 'first');
      expect(alternating.match(event({ block: index, text: 'next' }))).toBe('next');
    }
  });
});
